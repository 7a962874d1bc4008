# The balancer. `make run` tries it out, `make test` checks everything; both
# install what is missing first.

PREFIX ?= /usr/local
CC ?= gcc
BUILD ?= build

PACKAGES = luajit libuv
CPPFLAGS += -D_GNU_SOURCE -Icore $(shell pkg-config --cflags $(PACKAGES))
CFLAGS ?= -O2 -g
WARNINGS = -std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror
LDFLAGS += -rdynamic
LDLIBS += $(shell pkg-config --libs $(PACKAGES)) -lpthread -lm

# Debian 13 has llhttp as a library, Debian 12 as sources.
ifeq ($(shell pkg-config --exists libllhttp && echo yes),yes)
CPPFLAGS += $(shell pkg-config --cflags libllhttp)
LDLIBS += $(shell pkg-config --libs libllhttp)
else
LLHTTP = /usr/share/llhttp
CPPFLAGS += -isystem /usr/share/include/llhttp
LLHTTP_OBJECTS = $(patsubst %,$(BUILD)/llhttp/%.o,llhttp api http)
endif

SOURCES = $(wildcard core/*.c core/*/*.c)
OBJECTS = $(SOURCES:%.c=$(BUILD)/%.o) $(LLHTTP_OBJECTS)

all: $(BUILD)/lb

$(BUILD)/lb: $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS) $(LDLIBS)

$(BUILD)/core/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(WARNINGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -O2 -g -w -c -o $@ $<

format:
	clang-format -i core/*.c core/*/*.[ch]

clean:
	rm -rf build

.PHONY: all format clean

-include $(SOURCES:%.c=$(BUILD)/%.d)
