/*
 * guests - children of the program before, which this one has taken over (process/takeover.c).
 *
 * They are found by their pids, and told what to do by their channels. How the pulse of each lies
 * in its program's segment, its program has said: so also one with another layout is watched.
 */
#include "process/supervisor_inside.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls_move.h"
#include "os/passing.h"
#include "process/channel.h"
#include "process/scribe.h"
#include "shared/carried.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SCRIBE_EVERY_MS = 1000, /* between two questions; or, if that is more, */
    SCRIBE_SHARE = 20,      /* so many times as long as the answer took */
    SCRIBE_LOOK_MS = 5,
};

static struct guest *guest_at(const struct supervisor *s, unsigned which)
{
    CHECK(which >= s->takeover.first && which < s->takeover.first + s->takeover.count);
    return &s->takeover.guests[which - s->takeover.first];
}

pid_t guests_pid(const struct supervisor *s, unsigned guest)
{
    return s->children.list[s->takeover.first + guest].pid;
}

static const char *const roles[] = {
    [GUEST_WORKER] = "worker",
    [GUEST_MONITOR] = "monitor",
    [GUEST_ADMIN] = "admin",
    [GUEST_SCRIBE] = "scribe",
};

struct slice guests_role(enum guest_role role)
{
    return slice_of(roles[role]);
}

static void close_channel(struct guest *g)
{
    if (g->channel >= 0)
        close(g->channel);
    g->channel = -1;
}

/* --- taken --- */

static enum guest_role role_of(const struct record *r)
{
    struct slice role = record_bytes(r, "role");

    for (unsigned i = 0; i < GUEST_ROLES; i++)
        if (slice_is(role, guests_role((enum guest_role)i)))
            return (enum guest_role)i;
    return record_number(r, "worker", 0) != 0 ? GUEST_WORKER : GUEST_MONITOR;
}

/* A pid is taken only while it is a child's: else it may be anybody's by now. */
static pid_t own_child(uint64_t pid)
{
    siginfo_t info;

    if (pid == 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return 0;
    return (pid_t)pid;
}

/* The page of its segment where its pulse is, which nobody else has to know. NULL: not known. */
static const _Atomic uint64_t *map_pulse(int memory, uint64_t at)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct stat file;
    char *mapped;

    if (memory < 0 || at % sizeof(uint64_t) != 0 || fstat(memory, &file) != 0 ||
        at >= (uint64_t)file.st_size)
        return NULL;
    mapped = mmap(NULL, page, PROT_READ, MAP_SHARED, memory, (off_t)(at - at % page));
    return mapped != MAP_FAILED ? (const void *)(mapped + at % page) : NULL;
}

static void unmap_pulse(struct guest *g)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)g->pulse;

    if (g->pulse != NULL)
        munmap((void *)(at - at % page), page);
    g->pulse = NULL;
}

static void take_guest(struct supervisor *s, unsigned i, const struct record *r)
{
    const struct handover *h = s->takeover.handover;
    struct child *child = &s->children.list[s->takeover.first + i];
    struct slice name = record_bytes(r, "name");
    bool is_old = slice_begins(name, SLICE("old "));
    uint64_t slot = record_number(r, "slot", GUEST_ELSEWHERE);
    bool is_ours = h->is_same_layout && slot < SEGMENT_WORKERS_MAX;

    snprintf(child->name, sizeof child->name, "%s%.*s", is_old ? "" : "old ", (int)name.length,
             name.start);
    child->pid = own_child(record_number(r, "pid", 0));
    s->takeover.guests[i] = (struct guest){
        .channel = (int)record_number(r, "fd", (uint64_t)-1),
        .slot = is_ours ? (unsigned)slot : GUEST_ELSEWHERE,
        .role = role_of(r),
        .moves = record_number(r, "moves", 0),
        .memory = record_number(r, "memory", 0),
        .pulse = map_pulse(h->memory_fd, record_number(r, "pulse", UINT64_MAX)),
    };
}

void guests_take(struct supervisor *s)
{
    struct takeover *t = &s->takeover;
    struct slice rest = handover_text(t->handover);
    struct record r;

    t->count = t->handover->guests;
    t->guests = mem_zalloc((t->count + 1) * sizeof *t->guests);
    for (unsigned i = 0; i < t->count && handover_next(&rest, "child", &r); i++)
        take_guest(s, i, &r);
    for (unsigned i = 0; i < t->count; i++)
        if (t->guests[i].role == GUEST_SCRIBE &&
            t->guests[i].memory == scribe_memory(s->segment_fd))
            close_channel(&t->guests[i]); /* what it would say is here already: it ends */
}

/* --- told --- */

static void tell(struct guest *g, char what, int fd)
{
    if (g->channel >= 0 && passing_send(g->channel, &what, 1, &fd, fd >= 0) != 0)
        close_channel(g); /* it is ending, or has another program's channel that is full */
}

/* Its idle clients come to this worker of ours. */
static void hand_over(struct supervisor *s, unsigned guest, unsigned worker)
{
    struct guest *g = &s->takeover.guests[guest];
    const char take = CHANNEL_TAKE;
    int ends[2];

    if (passing_pair(ends) != 0) {
        tell(g, CHANNEL_DRAIN, -1);
        return;
    }
    if (s->channels[worker] >= 0 && passing_send(s->channels[worker], &take, 1, &ends[0], 1) == 0)
        tell(g, g->moves == tls_move_format() ? CHANNEL_HAND_OVER_ALL : CHANNEL_HAND_OVER, ends[1]);
    else
        tell(g, CHANNEL_DRAIN, -1);
    close(ends[0]);
    close(ends[1]);
}

void guests_end(struct supervisor *s)
{
    unsigned worker = 0;

    for (unsigned i = 0; i < s->takeover.count; i++) {
        pid_t pid = guests_pid(s, i);

        if (pid == 0)
            continue;
        if (s->takeover.guests[i].role == GUEST_WORKER)
            hand_over(s, i, worker++ % s->config->workers);
        else if (s->takeover.guests[i].role == GUEST_MONITOR)
            kill(pid, SIGQUIT);
    }
}

void guests_end_admin(struct supervisor *s)
{
    for (unsigned i = 0; i < s->takeover.count; i++)
        if (s->takeover.guests[i].role == GUEST_ADMIN && guests_pid(s, i) != 0)
            kill(guests_pid(s, i), SIGTERM);
}

/* A monitor has no channel, and SIGTERM ends it only if its own segment says that lb ends. */
void takeover_drain(struct supervisor *s)
{
    for (unsigned i = 0; i < s->takeover.count; i++) {
        if (s->takeover.guests[i].role == GUEST_WORKER)
            tell(&s->takeover.guests[i], CHANNEL_DRAIN, -1);
        if (s->takeover.guests[i].role != GUEST_WORKER && guests_pid(s, i) != 0)
            kill(guests_pid(s, i), SIGQUIT);
    }
}

/* --- how they are --- */

unsigned guests_left(const struct supervisor *s)
{
    unsigned left = 0;

    for (unsigned i = 0; i < s->takeover.count; i++)
        left += guests_pid(s, i) != 0;
    return left;
}

void guests_name(const struct supervisor *s, struct buffer *out)
{
    const char *before = "";

    for (unsigned i = 0; i < s->takeover.count; i++) {
        const struct child *child = &s->children.list[s->takeover.first + i];

        if (child->pid == 0)
            continue;
        buffer_printf(out, "%s%s (pid %ld)", before, child->name, (long)child->pid);
        before = ", ";
    }
}

static unsigned workers_left(const struct supervisor *s)
{
    unsigned left = 0;

    for (unsigned i = 0; i < s->takeover.count; i++)
        left += guests_pid(s, i) != 0 && s->takeover.guests[i].role == GUEST_WORKER;
    return left;
}

bool guests_have_workers(const struct supervisor *s)
{
    return workers_left(s) > 0;
}

bool takeover_wants_workers(const struct supervisor *s)
{
    return s->takeover.state != TAKEOVER_FAILED || workers_left(s) < s->config->workers;
}

bool takeover_has_slots(const struct supervisor *s)
{
    unsigned used = 0;

    for (unsigned i = 0; i < s->config->workers; i++)
        used += s->children.list[i].pid != 0;
    for (unsigned i = 0; i < s->takeover.count; i++)
        used += s->takeover.guests[i].slot != GUEST_ELSEWHERE;
    return used <= s->config->workers;
}

bool guests_pulse(const struct supervisor *s, unsigned which, uint64_t *events)
{
    const struct guest *g = guest_at(s, which);

    if (g->pulse != NULL)
        *events = atomic_load(g->pulse);
    return g->pulse != NULL;
}

bool guests_is_worker(const struct supervisor *s, unsigned which)
{
    return guest_at(s, which)->role == GUEST_WORKER;
}

/* --- scribes --- */

unsigned guests_base(const struct supervisor *s)
{
    return 2 * s->config->workers - 1; /* guests with another segment have none of our slots */
}

/* Of those whose changes they say. */
static bool are_writers_left(const struct supervisor *s)
{
    for (unsigned i = 0; i < s->takeover.count; i++)
        if (guests_pid(s, i) != 0 && s->takeover.guests[i].role != GUEST_SCRIBE)
            return true;
    return false;
}

static void take_changes(struct supervisor *s, struct guest *g, struct slice text)
{
    uint64_t now_ms = clock_steady_ms(), pause_ms = (now_ms - g->asked_ms) * SCRIBE_SHARE;

    s->takeover.handover->lost +=
        carried_read_changes(s->segment, &s->reload.slots, guests_base(s), text);
    g->asked_ms = 0;
    g->ask_at_ms = now_ms + (pause_ms > SCRIBE_EVERY_MS ? pause_ms : SCRIBE_EVERY_MS);
    if (g->is_last)
        close_channel(g);
}

/* Asks when it is time, and does not wait for the answer. */
static void step_scribe(struct supervisor *s, struct guest *g, bool is_last)
{
    struct buffer text = {0};
    uint64_t now_ms = clock_steady_ms();
    int status = -EAGAIN;

    if (g->asked_ms != 0) {
        status = scribe_hear(g->channel, &text);
    } else if (is_last || now_ms >= g->ask_at_ms) {
        g->is_last = is_last;
        g->asked_ms = now_ms;
        status = scribe_ask(g->channel) == 0 ? -EAGAIN : -EPIPE;
    }
    if (status == 0)
        take_changes(s, g, buffer_slice(&text));
    else if (status != -EAGAIN)
        close_channel(g); /* it has ended, or what it says makes no sense: it ends */
    buffer_dispose(&text);
}

void guests_step(struct supervisor *s)
{
    bool is_last = !are_writers_left(s);

    for (unsigned i = 0; i < s->takeover.count; i++)
        if (s->takeover.guests[i].role == GUEST_SCRIBE && s->takeover.guests[i].channel >= 0)
            step_scribe(s, &s->takeover.guests[i], is_last);
}

uint64_t guests_next_ms(const struct supervisor *s)
{
    uint64_t next_ms = UINT64_MAX;

    for (unsigned i = 0; i < s->takeover.count; i++) {
        const struct guest *g = &s->takeover.guests[i];
        uint64_t at_ms = g->asked_ms != 0 ? clock_steady_ms() + SCRIBE_LOOK_MS : g->ask_at_ms;

        if (g->role == GUEST_SCRIBE && g->channel >= 0 && at_ms < next_ms)
            next_ms = at_ms;
    }
    return next_ms;
}

/* --- their end --- */

/* One of our workers serves in its place. */
static void start_successor(struct supervisor *s)
{
    for (unsigned i = 0; i < s->config->workers; i++)
        if (s->children.list[i].pid == 0 && s->children.list[i].start_at_ms == UINT64_MAX) {
            children_start_later(&s->children, i);
            return;
        }
}

static void let_go(struct guest *g)
{
    unmap_pulse(g);
    close_channel(g);
}

void takeover_on_guest_died(struct supervisor *s, unsigned which, int status)
{
    struct guest *g = guest_at(s, which);
    bool is_stopping = s->state >= SUPERVISOR_DRAINING;

    if (g->role == GUEST_WORKER && status != 0 && !is_stopping)
        children_log_death(&s->children, which, status, "worker_died");
    let_go(g);
    if (g->slot != GUEST_ELSEWHERE)
        supervisor_clear_slot(s, g->slot);
    g->slot = GUEST_ELSEWHERE;
    if (g->role == GUEST_MONITOR && !is_stopping)
        takeover_start_monitor(s);
    if (g->role == GUEST_WORKER && s->takeover.state == TAKEOVER_FAILED && !is_stopping)
        start_successor(s);
}

void takeover_close(struct supervisor *s)
{
    for (unsigned i = 0; i < s->takeover.count; i++)
        let_go(&s->takeover.guests[i]);
    mem_free(s->takeover.guests);
    s->takeover.guests = NULL;
    s->takeover.count = 0;
}

/* --- for the next program --- */

void takeover_add_guests(const struct supervisor *s, struct buffer *out)
{
    for (unsigned i = 0; i < s->takeover.count; i++) {
        const struct guest *g = &s->takeover.guests[i];
        size_t begun;

        if (guests_pid(s, i) == 0)
            continue;
        begun = records_begin(out, "child");
        records_add(out, "name", slice_of(s->children.list[s->takeover.first + i].name));
        records_add_number(out, "pid", (uint64_t)guests_pid(s, i));
        records_add(out, "role", guests_role(g->role));
        records_add_number(out, "worker", g->role == GUEST_WORKER);
        records_add_number(out, "slot", g->slot);
        records_add_number(out, "fd", (uint64_t)g->channel);
        records_add_number(out, "memory", g->memory);
        records_add_number(out, "moves", g->moves);
        if (g->slot != GUEST_ELSEWHERE)
            records_add_number(out, "pulse", segment_offset_of_pulse(s->segment, g->slot));
        records_end(out, begun);
    }
}
