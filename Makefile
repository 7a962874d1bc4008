# The balancer. `make run` tries it out, `make test` checks everything; both
# install what is missing first. `make` builds build/lb and nothing else. `make help` lists the
# targets: what stands behind `##` is its text.

PREFIX ?= /usr/local
BUILD ?= build
ifeq ($(origin CC),default)
CC = gcc
endif

# What the compiler and the C library know of it: each option is tried on a file with nothing but a header.
try = $(if $(shell $(CC) -O2 -Werror $(1) -include stdio.h -fsyntax-only -x c /dev/null 2>&1 || echo no),,$(1))
FORTIFY_3 = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
HARDENING := -fstack-protector-strong $(or $(call try,$(FORTIFY_3)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) \
	$(foreach option,-fstack-clash-protection -fcf-protection -mbranch-protection=standard,$(call try,$(option)))
# The program is optimised as a whole when it is linked, which takes 10 s of CPU time; the library for the specs, of the
# same objects, is not. Nor is it with ccache, whose users build often, nor with `make LTO=`, nor by clang, which would
# need a linker that Debian installs apart.
ifeq ($(findstring clang,$(CC))$(findstring ccache,$(CC)),)
LTO = -flto=auto -ffat-lto-objects
endif
CFLAGS ?= -O2 -g -fno-plt $(HARDENING) $(LTO)
# clang warns of limits that are enumerators, where Lua's numbers are compared with them.
WARNINGS = -std=c11 -Wall -Wextra -Wshadow -Wconversion -Wno-enum-float-conversion -Werror
# Position independent, as the same objects make lb and the library for the specs.
CODE = -fPIC -fno-semantic-interposition
CPPFLAGS += -D_GNU_SOURCE -Icore
LDFLAGS += -Wl,--as-needed -Wl,-z,relro -Wl,-z,now

# Quiet where pkg-config is not installed yet: `make run` installs it and comes back.
package = $(shell pkg-config $(1) 2>/dev/null)
PACKAGES = luajit libuv openssl libnghttp2 libcares
LIBRARIES := $(call package,--libs $(PACKAGES))
CPPFLAGS += $(call package,--cflags $(PACKAGES))
LDLIBS += $(LIBRARIES) -lpthread -lm -lresolv

# Debian 13 has llhttp as a library, Debian 12 as sources.
LLHTTP_LIBRARY := $(call package,--libs libllhttp)
ifneq ($(LLHTTP_LIBRARY),)
CPPFLAGS += $(call package,--cflags libllhttp)
LDLIBS += $(LLHTTP_LIBRARY)
else
LLHTTP = /usr/share/llhttp
CPPFLAGS += -isystem /usr/share/include/llhttp -DLLHTTP_STRICT_MODE=1
LLHTTP_OBJECTS = $(patsubst %,$(BUILD)/llhttp/%.o,llhttp api http)
endif

SOURCES := $(wildcard core/*.c core/*/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(LLHTTP_OBJECTS)
LIBRARY_OBJECTS := $(filter-out $(BUILD)/core/main.o,$(OBJECTS))

COMPILE = $(CC) $(CPPFLAGS) $(CODE) $(CFLAGS)
LINK = $(CC) $(CFLAGS) $(WARNINGS) $(LDFLAGS)
# Lua reaches these by name, through LuaJIT's FFI; nobody else has to.
EXPORTED := $(shell grep -oh '\<C\.[a-z][a-z_0-9]*' core/*/*.lua | sed 's/C\.//; s/$$/;/' | sort -u)
EXPORTS = -Wl,--dynamic-list=$(BUILD)/exports.txt

# One short line for each command; the commands themselves with V=1.
say = $(if $(V),,@echo '$(1)'; )

all: $(BUILD)/lb ## builds build/lb and nothing else: what `make` alone does
	@:

$(BUILD)/lb: $(OBJECTS) $(BUILD)/link.txt $(BUILD)/exports.txt
	$(call say,link    $@)$(LINK) $(EXPORTS) -o $@ $(OBJECTS) $(LDLIBS)

$(BUILD)/lb_core.so: $(LIBRARY_OBJECTS) $(BUILD)/link.txt
	$(call say,link    $@)$(LINK) -fno-lto -shared -o $@ $(LIBRARY_OBJECTS) $(LDLIBS)

$(BUILD)/core/%.o: core/%.c $(BUILD)/compile.txt
	@mkdir -p $(@D)
	$(call say,compile $<)$(COMPILE) $(WARNINGS) -MMD -MP -c -o $@ $<

$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c $(BUILD)/compile.txt
	@mkdir -p $(@D)
	$(call say,compile $<)$(COMPILE) -w -c -o $@ $<

# Lua that is part of the program: no compiler reports these dependencies.
EMBEDDING := $(shell grep -l '^EMBEDDED\>' core/*/*.c)
EMBEDDED := $(shell sed -n 's/^EMBEDDED\>.*"\([^"]*\)".*/\1/p' core/*/*.c)
$(EMBEDDING:%.c=$(BUILD)/%.o): $(EMBEDDED)

# The scripts of the folder are part of the program, whatever there are.
SCRIPTS := $(filter-out %.d.lua,$(sort $(wildcard scripts/*.lua)))
SCRIPT_NAMES = $(SCRIPTS:scripts/%.lua=%)
$(BUILD)/core/lua/modules.o: private CPPFLAGS += -include $(BUILD)/library.h
$(BUILD)/core/lua/modules.o: $(BUILD)/library.h $(SCRIPTS)
$(BUILD)/library.h: MADE_WITH = \#define LIBRARY(X) \
	$(foreach name,$(SCRIPT_NAMES),X($(subst -,_,$(name)), "$(name)", "scripts/$(name).lua"))

# What the last build was made with: written only when it differs, so that other
# flags, another compiler or a file less are a reason to build again.
$(BUILD)/compile.txt: MADE_WITH = $(COMPILE) $(WARNINGS)
$(BUILD)/link.txt: MADE_WITH = $(LINK) $(OBJECTS) $(LDLIBS)
$(BUILD)/exports.txt: MADE_WITH = { $(EXPORTED) };
$(BUILD)/compile.txt $(BUILD)/link.txt $(BUILD)/exports.txt $(BUILD)/library.h: always
	@mkdir -p $(@D)
	@echo '$(MADE_WITH)' | cmp -s - $@ || echo '$(MADE_WITH)' >$@

ifeq ($(LIBRARIES),)
$(BUILD)/compile.txt: complain
complain:
	@echo "libuv, LuaJIT, OpenSSL, libnghttp2 or c-ares is missing here; infra/install.sh installs what the build needs" >&2
	@exit 1
.PHONY: complain
endif

# Not the plain build, which is fast: the same program that reports every error
# it makes, and keeps the promises of DCHECK (core/base/check.h), too. LuaJIT itself is a library of the system and is not instrumented.
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=undefined
sanitize: ## builds build/asan/lb, which reports every error that it makes
	$(MAKE) BUILD=$(BUILD)/asan CFLAGS='-O1 -g -fno-omit-frame-pointer -DCHECK_ALL $(SANITIZERS)' $(BUILD)/asan/lb

clang: ## builds build/clang/lb with clang
	$(MAKE) BUILD=$(BUILD)/clang CC=clang $(BUILD)/clang/lb

library: $(BUILD)/lb_core.so ## builds build/lb_core.so, which the specs of spec/core load
	@:

run: ## installs what is missing, builds, starts two backends and lb in front of them
	@infra/install.sh run
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$$(nproc)) all
	@$(BUILD)/lb demo

test: ## installs what is missing and checks everything: builds, specs, sanitizers
	@infra/test.sh

# lb and programs that others wrote: testssl.sh, pebble and certbot, nginx, HAProxy, node, Prometheus, Chromium, knot.
# Minutes.
test-world: ## installs other programs, and checks lb with them
	@infra/test.sh world

# Specs alone, against the plain build: make spec FILE=spec/system/processes/drain_spec.lua
FILE ?= spec
spec: all library ## runs specs against the plain build: FILE=spec/system/processes/drain_spec.lua
	infra/apart.sh busted $(FILE)

# The system specs, each file in a network that drops its first SYN and every hundredth after it. Minutes.
# make spec-lossy LOSE=20 for more, FILE=spec/system/processes/drain_spec.lua for one.
LOSE ?= 100
spec-lossy: all library ## runs spec/system in a network that drops SYNs: LOSE=20, FILE=..
	@failed=; for file in $(or $(filter-out spec,$(FILE)),$(sort $(wildcard spec/system/*/*_spec.lua))); do \
		echo $$file; LOSE=$(LOSE) infra/apart.sh busted -o plainTerminal $$file || failed=yes; \
	done; [ -z "$$failed" ]

# Your own specs of your own script, with the builders of spec/support, in the spec's folder:
# make -C /path/to/lb test-policy FILE=my_spec.lua (scripts/reference/specs.md has an example); -C leaves PWD as it was.
OWN_SPEC = $(firstword $(wildcard $(PWD)/$(FILE)) $(abspath $(FILE)))
test-policy: ## runs a spec of your own script: FILE=my_spec.lua
	$(if $(filter-out spec,$(FILE)),,$(error say which: make test-policy FILE=/path/to/my_spec.lua))
	@cd $(dir $(OWN_SPEC)) && LUA_PATH='$(CURDIR)/?.lua;;' busted --lua=luajit $(notdir $(OWN_SPEC))

# The system specs under valgrind; slow, so not part of `make test`.
valgrind: all ## runs the normal path under valgrind
	infra/apart.sh infra/valgrind.sh $(filter-out spec,$(FILE))

# A GiB each way past a slow side, and 10,000 idle connections: what lb's memory does. Minutes.
soak: all ## measures memory: big bodies past a slow side, 10,000 idle connections
	infra/apart.sh luajit infra/soak.lua $(BUILD)/lb

# Ten million requests over TLS 1.3, with records of lb's own: half of the clients have OpenSSL, half GnuTLS. An hour;
# make records REQUESTS=100000 for fewer of each, RECORDS=openssl for OpenSSL's records.
RECORDS_TOOLS = $(BUILD)/records/openssl $(BUILD)/records/gnutls
records: ## sends 10,000,000 requests over lb's own records of TLS 1.3: REQUESTS=100000
	@infra/install.sh run test records
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$$(nproc)) all $(RECORDS_TOOLS) $(BUILD)/bench/origin
	infra/apart.sh luajit infra/records.lua LB=$(or $(LB),$(BUILD)/lb) CLIENTS=$(BUILD)/records \
		ORIGIN=$(BUILD)/bench/origin $(foreach name,REQUESTS SEED RECORDS,$(if $($(name)),$(name)=$($(name))))

$(BUILD)/records/gnutls: private GNUTLS = -DWITH_GNUTLS
$(RECORDS_TOOLS): infra/records/client.c infra/bench/loopback.h $(BUILD)/compile.txt
	@mkdir -p $(@D)
	$(call say,compile $<)$(CC) -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) $(GNUTLS) -o $@ $< \
		$(call package,--libs $(if $(GNUTLS),gnutls,openssl))

# Ten thousand clients that make a worker of 256 MiB hold what they can, and others beside them.
hostile-memory: all ## lets 10,000 clients fill the memory of a worker
	infra/apart.sh luajit infra/hostile_memory.lua $(BUILD)/lb

# Reloads every 100 ms under load, for 30 s; ends by itself with its figures.
storm: all ## reloads every 100 ms under load, for 30 s
	infra/apart.sh luajit infra/storm.lua $(BUILD)/lb

# The same program with another layout of what its processes share: an upgrade carries over what has a name.
LAYOUT = $(BUILD)/layout/lb
layout: ## builds build/layout/lb, which upgrades from and to build/lb are tried with
	$(MAKE) BUILD=$(BUILD)/layout CFLAGS='-O1 -g -DSEGMENT_LAYOUT=2' $(LAYOUT)

# Two programs in turn, 20 times, under load; ends by itself with its figures.
upgrades: all layout ## upgrades the program under load, 20 times
	infra/apart.sh luajit infra/upgrades.lua $(BUILD)/lb $(BUILD)/lb
	infra/apart.sh luajit infra/upgrades.lua $(BUILD)/lb $(LAYOUT)
	infra/apart.sh luajit infra/upgrades.lua $(BUILD)/lb $(LAYOUT) 20 64 2000 4 tls

# What a scrape of /metrics costs with 1,000 backends and 8 workers, against bounds. A minute.
scrape: all ## measures a scrape of /metrics with 1,000 backends and 8 workers
	infra/apart.sh luajit infra/scrape.lua $(BUILD)/lb

# The dashboard in Chromium: figures, and pictures in build/dashboard, one of which the README has.
dashboard: all ## measures the dashboard in Chromium, and takes pictures of it
	@infra/install.sh test world
	infra/apart.sh luajit infra/dashboard.lua LB=$(BUILD)/lb TO=$(BUILD)/dashboard
	cp $(BUILD)/dashboard/small.png infra/dashboard.png

# Lists of backends from sources: time and memory, against bounds. A minute.
bench-discovery: all ## measures lists of backends from sources: LB=..
	@failed=; for script in infra/discovery/*.lua; do \
		infra/apart.sh luajit $$script $(or $(LB),$(BUILD)/lb) || failed=yes; \
	done; [ -z "$$failed" ]

# Scripts that never end, 20,000 of them at random in one worker: which lives on, without growing. Minutes.
# make runaways SEED=2 for others.
runaways: all ## runs 20,000 scripts that never end: SEED=2
	RUNAWAYS=20000 SEED=$(or $(SEED),1) infra/apart.sh busted spec/system/sandbox/runaways_spec.lua

# What a small request costs: instructions by function, allocations, system calls; fails above the bounds of
# infra/instructions/bounds.lua. A minute.
instructions: all ## counts what a small request costs, against bounds
	@infra/install.sh test measure
	@infra/instructions/small.sh $(BUILD)/lb

# What a small request costs with more backends, idle connections and workers, as a table and as the plot of
# infra/bench/README.md.
# Five minutes.
instructions-curves: all ## counts the same with more backends, idle connections and workers
	@infra/install.sh test measure
	@infra/instructions/curves.sh $(BUILD)/lb infra/instructions/curves.svg

# What a call of choose costs, in instructions, against bounds; and what a policy costs a request. Minutes.
instructions-policy: all $(BUILD)/instructions_policy ## counts what a call of choose costs, against bounds
	@infra/install.sh test measure
	@infra/instructions/requests.sh $(BUILD)/lb
	luajit infra/instructions/policy.lua $(BUILD)/instructions_policy

$(BUILD)/instructions_policy: infra/instructions/policy.c $(LIBRARY_OBJECTS) $(BUILD)/link.txt $(BUILD)/exports.txt
	$(call say,link    $@)$(COMPILE) $(WARNINGS) $(LDFLAGS) $(EXPORTS) -o $@ $< $(LIBRARY_OBJECTS) $(LDLIBS)

# 100,000 mutated requests and as many responses through lb, a million heads and ClientHellos through
# their parsers; then the fuzzers. Half an hour. A sanitized build gets its share, if there is one.
# make fuzz SEED=2 REQUESTS=1000; make fuzz REPLAY=requests:1:4711 shows one alone.
fuzz: all library $(if $(REPLAY),,fuzzers) ## sends mutated messages, runs the fuzzers: SEED=2 REQUESTS=1000 SECONDS=60
	$(if $(wildcard $(BUILD)/asan/lb),$(MAKE) sanitize)
	@failed=; \
	infra/apart.sh luajit infra/fuzz.lua LB=$(BUILD)/lb LB_CORE=$(BUILD)/lb_core.so SANITIZED=$(wildcard $(BUILD)/asan/lb) \
		$(foreach name,SEED REQUESTS RESPONSES CONVERSATIONS HEADS HELLOS LANES REPLAY VERBOSE,$(if $($(name)),$(name)=$($(name)))) \
		|| failed=yes; \
	$(if $(REPLAY),,infra/fuzz/run.sh $(BUILD)/fuzz $(or $(SECONDS),300) || failed=yes;) \
	[ -z "$$failed" ]

# libFuzzer sees what a change of its input has reached: frames, fields and HPACK of HTTP/2, from seeds of spec/cases,
# and answers of DNS.
FUZZERS = $(patsubst infra/fuzz/%.c,$(BUILD)/fuzz/%_fuzzer,$(wildcard infra/fuzz/*.c))
FUZZED := $(filter $(foreach part,base/ shared/ http/ net/ wire/ dial/dns_answer,$(BUILD)/core/$(part)%),$(OBJECTS)) $(LLHTTP_OBJECTS)
fuzzers: ## builds the fuzzers of infra/fuzz, by clang
	$(MAKE) BUILD=$(BUILD)/fuzz CC='$(if $(findstring ccache,$(CC)),ccache )clang' \
		CFLAGS='-O1 -g -fno-omit-frame-pointer -DCHECK_ALL -fsanitize=fuzzer-no-link $(SANITIZERS)' $(FUZZERS)

$(BUILD)/%_fuzzer: infra/fuzz/%.c spec/support/h2_talk.c $(FUZZED) $(BUILD)/compile.txt
	$(call say,link    $@)$(COMPILE) -I. $(WARNINGS) -fsanitize=fuzzer -o $@ $< $(FUZZED) $(LDFLAGS) $(LDLIBS)

# Where Debian has the peers, which is not in everybody's PATH.
PEERS_PATH = PATH="$$PATH:/usr/sbin"

# The cases of spec/cases against lb, HAProxy and nginx, each in front of the same backends: infra/peers/README.md.
# FILTER=text plays those whose rule and name have it, SHOW=nginx shows what was seen of them.
peers-conformance: ## plays the cases of spec/cases against lb, HAProxy and nginx: FILTER=.. SHOW=nginx
	@infra/install.sh run test peers
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$$(nproc)) all
	@$(PEERS_PATH); failed=; \
	infra/apart.sh luajit infra/peers/conformance.lua LB=$(BUILD)/lb \
		$(foreach name,FILTER SHOW LANES,$(if $($(name)),'$(name)=$($(name))')) || failed=yes; \
	infra/apart.sh luajit infra/peers/h2.lua LB=$(BUILD)/lb \
		$(foreach name,FILTER SHOW,$(if $($(name)),'$(name)=$($(name))')) || failed=yes; \
	[ -z "$$failed" ]

# Lost SYNs, backends and clients in trouble: answers lost by lb, HAProxy and nginx, p99 and the longest one. Seven
# minutes; SECONDS=5 for each row and ROWS=loss500,silent for less. infra/peers/README.md.
peers-faults: ## puts lb, HAProxy and nginx in trouble side by side: SECONDS=5 ROWS=..
	@infra/install.sh run test peers
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$$(nproc)) all
	@ulimit -n 8192; $(PEERS_PATH) infra/apart.sh --admin luajit infra/peers/faults.lua LB=$(BUILD)/lb \
		$(foreach name,SECONDS ROWS,$(if $($(name)),'$(name)=$($(name))'))

# What a request costs, of lb and of its peers, in rounds that take turns: infra/bench/README.md. Under 10 minutes.
# ROUNDS=n, SCENARIOS=small,1m and PEERS=haproxy,relay for less; LB2=path puts another build beside this one.
BENCH_TOOLS = $(patsubst %,$(BUILD)/bench/%,origin calls relay shake)
bench: ## measures CPU time per request of lb and its peers: ROUNDS=5 SCENARIOS=small LB2=..
	@infra/install.sh run bench
	@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$$(nproc)) all $(BENCH_TOOLS)
	@$(PEERS_PATH) luajit infra/bench/bench.lua TOOLS=$(BUILD)/bench LB=$(or $(LB),$(BUILD)/lb) \
		$(foreach name,LB2 ROUNDS SCENARIOS PEERS STRICT,$(if $($(name)),'$(name)=$($(name))'))

$(BUILD)/bench/%: infra/bench/%.c infra/bench/loopback.h $(BUILD)/compile.txt
	@mkdir -p $(@D)
	$(call say,compile $<)$(CC) -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) -Wl,--as-needed -o $@ $< $(call package,--libs openssl)

# Its sources are in infra/debian; infra/package_test.sh installs, upgrades and purges it in chroots.
package: ## builds the Debian package in build/package
	@infra/install.sh run package
	@infra/package.sh $(BUILD)/package

# The container story, with docker compose and this machine's engine.
story: ## plays the container story with docker compose
	@infra/story.sh

install: all install-scripts ## puts lb into $(PREFIX)/bin, scripts and documents into $(PREFIX)/share
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BUILD)/lb $(DESTDIR)$(PREFIX)/bin/lb

# The scripts, what specs of one's own require, and the documents with their links.
SHARE = $(DESTDIR)$(PREFIX)/share/lb
DOC = $(DESTDIR)$(PREFIX)/share/doc/lb
PAGES = $(wildcard README.md core/*.md core/reference/*.md scripts/README.md scripts/reference/*.md \
	infra/*/README.md infra/instructions/*.svg infra/grafana.json infra/dashboard.png)
BUILDERS = backend clean_path fake_clients fake_codes fake_headers fake_lb fake_shared outcome request \
	script sha256
install-scripts: ## puts the scripts and documents there, without lb
	install -d $(SHARE)/scripts/examples $(SHARE)/spec/support
	install -m 644 balancer.lua $(SHARE)/balancer.lua
	install -m 644 scripts/*.lua $(SHARE)/scripts/
	install -m 644 scripts/examples/*.lua $(SHARE)/scripts/examples/
	install -m 644 $(BUILDERS:%=spec/support/%.lua) $(SHARE)/spec/support/
	for page in $(PAGES); do install -D -m 644 $$page $(DOC)/$$page || exit; done
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 infra/man/lb.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 infra/man/balancer.lua.5
	install -D -m 644 infra/completion/lb.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lb

help: ## lists the targets
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/\1|\2/p' Makefile | sed 's|$$(PREFIX)|$(PREFIX)|g' | \
		awk -F'|' '{ printf "make %-20s %s\n", $$1, $$2 }'

format: ## formats the C
	clang-format -i core/*.c core/*/*.[ch] infra/bench/*.[ch] infra/fuzz/*.c infra/records/*.c

clean: ## removes build/
	rm -rf build

.PHONY: all always bench bench-discovery clang clean dashboard format fuzz fuzzers help hostile-memory install install-scripts layout package \
	instructions instructions-curves instructions-policy library peers-conformance peers-faults records run \
	runaways sanitize scrape soak spec spec-lossy storm story test test-policy test-world \
	upgrades valgrind

-include $(SOURCES:%.c=$(BUILD)/%.d)
