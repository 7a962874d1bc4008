#include "os/spread.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

void spread_init(struct spread *s, const struct segment *segment, const struct pulse *pulse,
                 const struct sockets *sockets)
{
    *s = (struct spread){.segment = segment, .pulse = pulse, .sockets = sockets};
    s->beside = sockets->beside;
    s->is_off = s->beside != 0;
    memset(s->has, true, sizeof s->has);
}

static void log_still(unsigned slot)
{
    char child[24];

    snprintf(child, sizeof child, "worker %u", slot + 1);
    log_event(LOG_INFO, "worker_still", LOG_PAIRS({"child", child}),
              "%s does not move: until it does, new connections go to the others", child);
}

static void spread_set(struct spread *s, const bool *has)
{
    int code = sockets_spread(s->sockets, has);

    if (code != 0) {
        s->is_off = true;
        log_event(LOG_WARN, "spread_failed", NULL,
                  "a worker that does not move gets new connections like any other: %s",
                  strerror(-code));
        return;
    }
    for (unsigned slot = 0; slot < s->sockets->slots; slot++) {
        if (s->has[slot] && !has[slot] && !s->is_busy[slot] && s->was_ready[slot])
            log_still(slot);
        s->has[slot] = has[slot];
    }
}

/* A worker that is loading its script has events, too, but cannot accept. */
static bool has_moved(struct spread *s, unsigned slot, uint64_t now_ms)
{
    bool is_ready = atomic_load(&segment_worker(s->segment, slot)->ready) != 0;

    s->was_ready[slot] |= is_ready;
    if (is_ready)
        s->moved_ms[slot] = pulse_changed_ms(s->pulse, slot);
    else if (s->moved_ms[slot] == 0) /* the first look: it was just started */
        s->moved_ms[slot] = now_ms;
    return now_ms < s->moved_ms[slot] + PULSE_SPREAD_MS ||
           now_ms < s->back_ms[slot] + PULSE_SPREAD_MS;
}

/* The kernel knows the sockets in another order when the other lb has ended, so a program that it
 * has left there would mean others. */
static void look_beside(struct spread *s)
{
    bool all[SEGMENT_WORKERS_MAX] = {false};

    if (s->beside == 0 || kill(s->beside, 0) == 0 || errno != ESRCH)
        return;
    s->beside = 0;
    (void)!sockets_spread(s->sockets, all);
}

void spread_look(struct spread *s, uint64_t now_ms)
{
    bool has[SEGMENT_WORKERS_MAX] = {false};
    unsigned slots = s->sockets->slots;

    look_beside(s);

    for (unsigned slot = 0; slot < slots; slot++)
        has[slot] = has_moved(s, slot, now_ms) && !s->is_busy[slot];
    if (memchr(has, true, slots) == NULL) /* to leave out all would help nobody */
        memset(has, true, slots);
    if (!s->is_off && memcmp(has, s->has, slots) != 0)
        spread_set(s, has);
}

uint64_t spread_moved_ms(const struct spread *s)
{
    uint64_t moved_ms = 0;

    for (unsigned slot = 0; slot < s->sockets->slots; slot++)
        if (s->moved_ms[slot] > moved_ms)
            moved_ms = s->moved_ms[slot];
    return moved_ms;
}

void spread_set_busy(struct spread *s, unsigned slot, bool is_busy, uint64_t now_ms)
{
    if (s->is_busy[slot])
        s->back_ms[slot] = now_ms;
    s->is_busy[slot] = is_busy;
    spread_look(s, now_ms);
}
