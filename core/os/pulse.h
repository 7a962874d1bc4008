/*
 * pulse - which children stand still: their heartbeats in the segment have not moved for too long.
 *
 * Looked at a few times a second by the supervisor. If it did not come to look in time, the whole
 * machine or container was stopped or far too busy, and everybody gets the full time again. A child
 * that waits for a CPU does not stand still by itself.
 */
#ifndef OS_PULSE_H
#define OS_PULSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PULSE_BEAT_MS = 250,  /* how often a child has an event at least: its heartbeat counts them, */
    PULSE_LOOK_MS = 250,  /* and how often they are looked at */
    PULSE_LATE_MS = 2000, /* a look that is so late says nothing about the children */
    PULSE_SPREAD_MS = 1000, /* a worker that stands still for so long gets no new connections */
    PULSE_STILL_MS = 5000,  /* that serve, besides what a hook may take */
    PULSE_STILL_START_MS = 30000 /* that are not ready yet: their script is being loaded */
};

struct pulse_child {
    uint64_t beat;       /* as it was last seen */
    uint64_t changed_ms; /* when it was seen to change */
    uint64_t waited_ms;  /* for a CPU, when it was first asked for since; 0: it was not */
};

struct pulse {
    struct pulse_child *list;
    unsigned count;
    uint64_t looked_ms;
};

void pulse_init(struct pulse *, unsigned count, uint64_t now_ms);
void pulse_dispose(struct pulse *);
void pulse_begin(struct pulse *, unsigned which, uint64_t now_ms); /* another process is there */
/* Is it time to look? Then for each child: how long its heartbeat has not changed. */
bool pulse_is_due(struct pulse *, uint64_t now_ms);
uint64_t pulse_still_ms(struct pulse *, unsigned which, uint64_t beat, uint64_t now_ms);
/* How much of still_ms is its own: waited_ms says for how long it has waited for a CPU since it
 * began (os/waited.h). To be asked at each look from PULSE_SPREAD_MS on; before, what it waits
 * is not known. */
uint64_t pulse_own_still_ms(struct pulse *, unsigned which, uint64_t still_ms, uint64_t waited_ms);
uint64_t pulse_changed_ms(const struct pulse *, unsigned which); /* when, as far as was seen */

#endif
