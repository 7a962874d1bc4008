#include "process/handover.h"

#include "base/mem.h"
#include "os/program.h"
#include "shared/segment.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TEXT_MAX = 512 << 20 };

/* --- in the program before --- */

static uint64_t flags_of(const struct config_listen *l)
{
    return (uint64_t)l->proxy | (uint64_t)l->tls << 1 | (uint64_t)l->h2c << 2;
}

void handover_add_listeners(struct buffer *out, const struct config *config)
{
    for (unsigned i = 0; i < config->listen_count; i++) {
        size_t begun = records_begin(out, "listen");

        records_add(out, "written", slice_of(config->listen[i].written));
        records_add_number(out, "flags", flags_of(&config->listen[i]));
        records_end(out, begun);
    }
}

int handover_file(struct slice text)
{
    int fd = memfd_create("lb handover", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    for (size_t at = 0; at < text.length;) {
        ssize_t put = write(fd, text.start + at, text.length - at);

        if (put <= 0) {
            close(fd);
            return -1;
        }
        at += (size_t)put;
    }
    return fd;
}

static int fd_of(const struct record *r)
{
    return (int)record_number(r, "fd", (uint64_t)-1);
}

void handover_keep(struct slice text, bool keeps)
{
    struct record r;

    while (records_next(&text, &r))
        program_keep(fd_of(&r), keeps);
}

void handover_name(int fd, bool is_trial)
{
    char value[32];

    if (fd < 0) {
        unsetenv(HANDOVER_VARIABLE);
        return;
    }
    snprintf(value, sizeof value, "%d%s", fd, is_trial ? ",try" : "");
    if (setenv(HANDOVER_VARIABLE, value, 1) != 0)
        check_failed("setenv", __FILE__, __LINE__);
}

/* --- in the next program --- */

bool handover_next(struct slice *rest, const char *kind, struct record *out)
{
    while (records_next(rest, out))
        if (record_is(out, kind))
            return true;
    return false;
}

bool handover_knows(const struct record *r)
{
    static const char *const kinds[] = {"lb",      "segment", "wake",    "listen",  "socket",
                                        "child",   "backend", "counter", "entry",   "state",
                                        "admin",   "metric",  "series",  "started", "total",
                                        "workers", "numbers", "asker",   "asks",    "program"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (record_is(r, kinds[i]))
            return true;
    return false;
}

bool handover_read(int fd, struct buffer *out)
{
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t got;

    if (size < 0 || size > TEXT_MAX)
        return false;
    got = pread(fd, buffer_reserve(out, (size_t)size), (size_t)size, 0);
    if (got != size)
        return false;
    buffer_grow(out, (size_t)size);
    return true;
}

static bool is_used(const struct handover *h, const struct record *r)
{
    return record_is(r, "socket") || record_is(r, "child") || record_is(r, "admin") ||
           record_is(r, "asker") || record_is(r, "asks") ||
           (h->is_same_layout && (record_is(r, "segment") || record_is(r, "wake")));
}

/* All stay open: if this program cannot go on, the next one is to have them. */
static void take_descriptors(struct handover *h)
{
    struct slice rest = handover_text(h);
    struct record r;

    while (records_next(&rest, &r)) {
        program_keep(fd_of(&r), false);
        if (record_is(&r, "segment"))
            h->memory_fd = fd_of(&r);
        if (h->is_same_layout)
            h->segment_fd = h->memory_fd;
        h->guests += record_is(&r, "child");
    }
}

void handover_close_unused(const struct handover *h)
{
    struct slice rest = handover_text(h);
    struct record r;

    close(h->fd);
    while (records_next(&rest, &r))
        if (fd_of(&r) >= 0 && !is_used(h, &r))
            close(fd_of(&r));
}

/* A signal that stops a call of the script that takes too long must come (script/budget.h). */
static void let_budget_work(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

struct handover *handover_take(void)
{
    const char *value = getenv(HANDOVER_VARIABLE);
    struct handover *h;
    struct slice rest;
    char *end;

    if (value == NULL)
        return NULL;
    h = mem_zalloc(sizeof *h);
    h->fd = (int)strtol(value, &end, 10);
    h->is_trial = strcmp(end, ",try") == 0;
    h->is_back = strcmp(end, ",back") == 0;
    h->segment_fd = h->memory_fd = -1;
    unsetenv(HANDOVER_VARIABLE);
    rest = handover_read(h->fd, &h->text) ? handover_text(h) : SLICE("");
    if (!handover_next(&rest, "lb", &h->about)) {
        handover_free(h);
        return NULL;
    }
    program_keep(h->fd, false);
    h->is_same_layout = record_number(&h->about, "layout", 0) == segment_layout();
    if (!h->is_trial)
        take_descriptors(h);
    if (h->is_back)
        program_rename(record_bytes(&h->about, "path"));
    let_budget_work();
    return h;
}

void handover_free(struct handover *h)
{
    if (h == NULL)
        return;
    buffer_dispose(&h->text);
    mem_free(h);
}

/* --- does it fit? --- */

static bool same_listeners(const struct handover *h, const struct config *config)
{
    struct slice rest = handover_text(h);
    struct record r;
    unsigned count = 0;

    for (; handover_next(&rest, "listen", &r); count++)
        if (count >= config->listen_count ||
            !slice_is(record_bytes(&r, "written"), slice_of(config->listen[count].written)) ||
            record_number(&r, "flags", 0) != flags_of(&config->listen[count]))
            return false;
    return count == config->listen_count;
}

bool handover_fits(const struct handover *h, const struct config *config, struct buffer *error)
{
    uint64_t workers = record_number(&h->about, "workers", 0);

    if (!same_listeners(h, config))
        buffer_printf(error, "%s: listen is not as it was at the start: restart lb for that",
                      config->script_path);
    else if (config->workers != workers)
        buffer_printf(error, "%s: workers is %u, and %u run: restart lb for that",
                      config->script_path, config->workers, (unsigned)workers);
    else
        return true;
    return false;
}

/* --- slots --- */

void handover_slots(const struct handover *h, struct slots *slots)
{
    struct slice rest = handover_text(h);
    struct record r;

    while (h->is_same_layout && handover_next(&rest, "backend", &r)) {
        uint64_t slot = record_number(&r, "slot", SEGMENT_BACKENDS_MAX);

        if (slot >= SEGMENT_BACKENDS_MAX || slots->identity[slot] != 0)
            continue;
        slots->identity[slot] = record_number(&r, "identity", 0);
        slots->is_left[slot] = true;
    }
}

bool handover_place(const struct handover *h, struct config *config)
{
    struct slots *slots = mem_zalloc(sizeof *slots);
    uint64_t *identities = mem_alloc(sizeof *identities * SEGMENT_BACKENDS_MAX);
    uint16_t *places = mem_alloc(sizeof *places * SEGMENT_BACKENDS_MAX);
    bool fits;

    handover_slots(h, slots);
    for (unsigned i = 0; i < config->backends_count; i++)
        identities[i] = slots_identity(config->backends[i].name, config->backends[i].written);
    fits = slots_find(slots, identities, config->backends_count, places);
    for (unsigned i = 0; fits && i < config->backends_count; i++)
        config->backends[i].slot = places[i];
    mem_free(slots);
    mem_free(identities);
    mem_free(places);
    return fits;
}
