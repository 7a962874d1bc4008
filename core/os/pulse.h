/*
 * pulse - finds the children that stand still: the number of events that each counts in the
 * segment, its pulse, has not changed for too long.
 *
 * The supervisor looks a few times a second. If it looks too late, the machine or the container was
 * stopped or far too busy, and every child gets the full time again. The time for which a child
 * waits for a CPU does not count.
 */
#ifndef OS_PULSE_H
#define OS_PULSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PULSE_EVERY_MS = 250,   /* a child has an event at least this often */
    PULSE_LOOK_MS = 250,    /* how often the supervisor looks */
    PULSE_LATE_MS = 2000,   /* a look that is so late says nothing about the children */
    PULSE_SPREAD_MS = 1000, /* a worker that stands still for so long gets no new connections */
    PULSE_STILL_MS = 5000,  /* the bound for a child that serves, besides what a hook may take */
    PULSE_STILL_START_MS = 30000, /* the bound for a child that still loads its script */
};

struct pulse_child {
    uint64_t events;     /* its pulse at the last look */
    uint64_t changed_ms; /* the look that saw it change */
    uint64_t waited_ms;  /* its wait for a CPU when that was first asked since; 0: it was not */
};

struct pulse {
    struct pulse_child *list;
    unsigned count;
    uint64_t looked_ms;
};

void pulse_init(struct pulse *, unsigned count, uint64_t now_ms);
void pulse_dispose(struct pulse *);
void pulse_begin(struct pulse *, unsigned which, uint64_t now_ms); /* another process is there */
/* Is it time to look? Then ask for each child how long its pulse has not changed. */
bool pulse_is_due(struct pulse *, uint64_t now_ms);
uint64_t pulse_still_ms(struct pulse *, unsigned which, uint64_t events, uint64_t now_ms);
/* still_ms less the wait for a CPU in it; waited_ms is the wait since the process began
 * (os/waited.h). To be asked at each look from PULSE_SPREAD_MS on: an earlier wait is not known. */
uint64_t pulse_own_still_ms(struct pulse *, unsigned which, uint64_t still_ms, uint64_t waited_ms);
uint64_t pulse_changed_ms(const struct pulse *, unsigned which);

#endif
