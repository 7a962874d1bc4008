/*
 * takeover - this program has taken the place of another one: what becomes of its children, who are
 * guests here.
 *
 *           our workers are ready                    the guests have ended
 *   WAITS ------------------------> DONE ---------------------------------> NONE
 *     | they are not, in time
 *     '-----------------> FAILED    (the guests serve on; another upgrade is what helps)
 *
 * Guests accept connections until our workers are ready. Then each hands its idle clients over to
 * one of ours, and ends when the others have left.
 */
#include "process/supervisor_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/passing.h"
#include "process/channel.h"
#include "process/way_back.h"
#include "shared/backend_numbers.h"
#include "shared/backend_standing.h"
#include "shared/board.h"
#include "shared/carried.h"
#include "shared/parking.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    GUEST_GRACE_MS = 5000, /* beyond --drain-timeout, which guests keep themselves */
    CHECK_GRACE_MS = 1000, /* beyond health.timeout */
};

unsigned takeover_guests(const struct supervisor *s)
{
    return s->takeover.handover != NULL ? s->takeover.handover->guests : 0;
}

bool takeover_is_on(const struct supervisor *s)
{
    return s->takeover.state == TAKEOVER_WAITS;
}

/* --- the beginning --- */

/* The program before may have kept new connections from a worker that stood still. */
static void take_sockets(struct supervisor *s, const int *fds)
{
    bool has[SEGMENT_WORKERS_MAX];

    memset(has, true, sizeof has);
    sockets_take(&s->sockets, s->config, fds);
    s->sockets.beside = (pid_t)record_number(&s->takeover.handover->about, "beside", 0);
    if (s->sockets.beside == 0)
        (void)!sockets_spread(&s->sockets, has); /* then that worker gets fewer */
}

/* In the order in which they were written: by slots, and then by addresses. */
int takeover_open(struct supervisor *s)
{
    struct slice rest = handover_text(s->takeover.handover);
    struct record r;
    unsigned count = s->config->workers * s->config->listen_count, i = 0;
    int *fds = mem_alloc(count * sizeof *fds);

    for (; i < count && handover_next(&rest, "socket", &r); i++)
        fds[i] = (int)record_number(&r, "fd", (uint64_t)-1);
    if (i == count)
        take_sockets(s, fds);
    mem_free(fds);
    s->pid_file =
        (struct pid_file){.path = s->options->pid_file, .is_there = s->options->pid_file != NULL};
    return i == count ? 0 : -1;
}

/* Ours have other slots than any guest: the program before looks whether there are enough. */
static void choose_slots(struct supervisor *s)
{
    bool is_taken[GUEST_ELSEWHERE + 1] = {false};
    unsigned workers = s->config->workers, slot = 0;

    for (unsigned i = 0; i < s->takeover.count; i++)
        is_taken[s->takeover.guests[i].slot] = true;
    for (unsigned i = 0; i < workers; i++, slot++) {
        while (slot < 2 * workers && is_taken[slot])
            slot++;
        atomic_store(&s->segment->workers_slots[i], (slot < 2 * workers ? slot : i) + 1);
    }
    atomic_store(&s->segment->workers_count, 2 * workers);
}

void takeover_start_monitor(struct supervisor *s)
{
    if (s->config->backends_count + s->config->sources_count > 0 &&
        s->children.list[s->reload.monitor].pid == 0)
        s->children.list[s->reload.monitor].start_at_ms = 0;
}

/* What is known of a backend stays; a new one is to be checked before it counts that our workers
 * are ready. */
static void place_backends(struct supervisor *s)
{
    struct slots *before = mem_zalloc(sizeof *before);
    unsigned added = 0;

    handover_slots(s->takeover.handover, before);
    for (unsigned i = 0; i < s->config->backends_count; i++) {
        unsigned slot = s->config->backends[i].slot;

        if (before->identity[slot] == s->reload.slots.identity[slot] &&
            segment_slot_is_used(s->segment, slot))
            continue;
        standing_clear(s->segment, slot);
        if (before->identity[slot] == 0)
            numbers_clear(s->segment, slot);
        board_open_slot(s->segment, slot);
        added++;
    }
    handover_slots(s->takeover.handover, &s->reload.slots);
    roll_begin(&s->reload.roll);
    if (!s->takeover.handover->is_same_layout)
        carried_read_numbers(s->segment, &s->reload.slots, guests_base(s),
                             handover_text(s->takeover.handover));
    atomic_store(&s->segment->first_round_done, 1); /* by the monitor before */
    s->takeover.checked_ms =
        clock_steady_ms() +
        (added + s->config->sources_count > 0 ? s->config->health.timeout_ms + CHECK_GRACE_MS : 0);
    mem_free(before);
}

/* Two that write to one segment would not agree. */
static void renew_monitor(struct supervisor *s)
{
    bool is_there = false;

    for (unsigned i = 0; i < s->takeover.count; i++) {
        pid_t pid = guests_pid(s, i);

        if (s->takeover.guests[i].role != GUEST_MONITOR || pid == 0 ||
            !s->takeover.handover->is_same_layout)
            continue;
        kill(pid, SIGQUIT);
        is_there = true;
    }
    if (!is_there)
        takeover_start_monitor(s);
}

void takeover_begin(struct supervisor *s, unsigned first)
{
    struct takeover *t = &s->takeover;

    t->first = first;
    t->ends_ms = UINT64_MAX;
    if (t->handover == NULL)
        return;
    t->budget_ms = record_number(&t->handover->about, "budget_ms", 0);
    guests_take(s);
    asker_take(s);
    t->state = TAKEOVER_WAITS;
    choose_slots(s);
    for (unsigned i = 0; t->handover->is_back && i < s->config->workers; i++)
        supervisor_clear_slot(s, segment_slot_of(s->segment, i)); /* of workers that were killed */
    parking_forget(s->segment);
    place_backends(s);
    renew_monitor(s);
}

bool takeover_has_checked(const struct supervisor *s)
{
    return atomic_load(&s->reload.edition->answers->checked) != 0 ||
           clock_steady_ms() >= s->takeover.checked_ms;
}

void takeover_leave(struct supervisor *s)
{
    if (takeover_is_on(s))
        handover_close_unused(s->takeover.handover);
    way_back_close();
    takeover_close(s);
    asker_forget(s);
}

/* --- decided --- */

static void note_done(struct supervisor *s)
{
    const struct handover *h = s->takeover.handover;
    uint64_t now_ms = clock_steady_ms();
    uint64_t took_ms = now_ms - record_number(&h->about, "began_ms", now_ms);
    const char *ms = LOG_NUMBER(took_ms);
    struct slice before = record_bytes(&h->about, "version");
    char version[32];

    snprintf(version, sizeof version, "%.*s", (int)before.length, before.start);
    log_event(LOG_INFO, "upgrade",
              LOG_PAIRS({"version", VERSION}, {"before", version}, {"#ms", ms},
                        {"#same_memory", h->is_same_layout ? "true" : "false"}),
              "lb %s has taken over from lb %s in %s ms%s", VERSION, version, ms,
              h->is_same_layout ? "" : ", whose memory has another layout");
    totals_add(TOTALS_UPGRADES, 1);
    asker_tell(s, version, took_ms, h->is_same_layout);
}

/* It was said when it began. */
static void note_back(struct supervisor *s)
{
    totals_add(TOTALS_UPGRADES_FAILED, 1);
    asker_forget(s);
}

static void note_failed(struct supervisor *s)
{
    static const char why[] = "no worker of lb " VERSION
                              " serves: the workers of the program before do. Put a good program "
                              "there and ask again";

    log_event(LOG_ERROR, "upgrade_failed", LOG_PAIRS({"version", VERSION}), "%s", why);
    totals_add(TOTALS_UPGRADES_FAILED, 1);
    asker_refuse(s, 422, why);
}

/* Has the list "a bc" the word? */
static bool names_kind(struct slice list, struct slice kind)
{
    while (list.length > 0)
        if (slice_is(slice_take_until(&list, ' '), kind))
            return true;
    return false;
}

/* Records of a program that knows more than this one. */
static void log_skipped(const struct supervisor *s)
{
    struct slice rest = handover_text(s->takeover.handover);
    struct buffer kinds = {0};
    struct record r;

    while (records_next(&rest, &r))
        if (!handover_knows(&r) && !names_kind(buffer_slice(&kinds), r.kind)) {
            buffer_append_text(&kinds, buffer_length(&kinds) > 0 ? " " : "");
            buffer_append(&kinds, r.kind);
        }
    if (buffer_length(&kinds) > 0 || s->takeover.handover->lost > 0)
        log_event(LOG_WARN, "upgrade_skipped",
                  LOG_PAIRS({"kinds", buffer_text(&kinds)},
                            {"#values", LOG_NUMBER(s->takeover.handover->lost)}),
                  "not carried over: %s values that found no room, and kinds of facts that lb %s "
                  "does not know: %s",
                  LOG_NUMBER(s->takeover.handover->lost), VERSION,
                  buffer_length(&kinds) > 0 ? buffer_text(&kinds) : "none");
    buffer_dispose(&kinds);
}

/* Those that are ready may have clients. */
static void end_ours(struct supervisor *s)
{
    const char drain = CHANNEL_DRAIN;

    for (unsigned i = 0; i < s->config->workers; i++) {
        struct child *child = &s->children.list[i];

        child->start_at_ms = UINT64_MAX;
        if (child->pid == 0)
            continue;
        if (atomic_load(&segment_worker(s->segment, i)->ready) == 0 ||
            passing_send(s->channels[i], &drain, 1, NULL, 0) != 0)
            kill(child->pid, SIGKILL);
    }
}

/* Of backends that our script does not have. */
static void leave_slots(struct supervisor *s)
{
    for (unsigned i = 0; i < SEGMENT_BACKENDS_MAX; i++)
        if (slots_is_left(&s->reload.slots, i) && segment_slot_is_used(s->segment, i))
            board_leave_slot(s->segment, i);
}

void takeover_decide(struct supervisor *s, bool are_ready)
{
    way_back_close();
    handover_close_unused(s->takeover.handover);
    if (are_ready) {
        s->takeover.state = TAKEOVER_DONE;
        if (s->takeover.handover->is_back)
            note_back(s);
        else
            note_done(s);
        log_skipped(s);
        guests_end(s);
        s->takeover.ends_ms = clock_steady_ms() + s->options->drain_timeout_ms + GUEST_GRACE_MS;
        leave_slots(s);
    } else {
        s->takeover.state = TAKEOVER_FAILED;
        end_ours(s);
        note_failed(s);
    }
    guests_end_admin(s);
}

void takeover_step(struct supervisor *s)
{
    struct takeover *t = &s->takeover;

    guests_step(s);
    if (t->state == TAKEOVER_DONE && guests_left(s) == 0) {
        takeover_close(s);
        t->state = TAKEOVER_NONE;
        t->ends_ms = UINT64_MAX;
        s->children.count = t->first;
    }
    if (clock_steady_ms() < t->ends_ms)
        return;
    for (unsigned i = 0; i < t->count; i++)
        if (guests_pid(s, i) != 0)
            kill(guests_pid(s, i), SIGKILL);
    t->ends_ms = UINT64_MAX;
}

uint64_t takeover_next_ms(const struct supervisor *s)
{
    uint64_t next_ms = guests_next_ms(s);

    return next_ms < s->takeover.ends_ms ? next_ms : s->takeover.ends_ms;
}
