/*
 * spread - new connections go to the workers that are there and move.
 *
 * Each slot has its listening sockets, whether a worker serves them or not, and the kernel deals
 * new connections out to all of them. One that is not ready, or whose pulse has stopped, for a
 * second is left out until it moves again; one that loads another script, until it has done so.
 * Nothing is closed for that, so nobody is reset: who waits in its queues waits for it, or for the
 * next one in its slot.
 */
#ifndef OS_SPREAD_H
#define OS_SPREAD_H

#include "os/pulse.h"
#include "os/sockets.h"
#include "shared/segment.h"

struct spread {
    const struct segment *segment;
    const struct pulse *pulse;
    const struct sockets *sockets;
    bool has[SEGMENT_WORKERS_MAX];          /* by slot: gets new connections */
    uint64_t moved_ms[SEGMENT_WORKERS_MAX]; /* when it was ready and its pulse changed */
    bool was_ready[SEGMENT_WORKERS_MAX];    /* once: before that it is the start that takes long */
    bool is_busy[SEGMENT_WORKERS_MAX];      /* loads a script */
    uint64_t back_ms[SEGMENT_WORKERS_MAX];  /* when it had done so */
    bool is_refused;                        /* by the system */
};

/* Borrows. At first all have them. */
void spread_init(struct spread *, const struct segment *, const struct pulse *,
                 const struct sockets *);
void spread_look(struct spread *, uint64_t now_ms); /* who is left out now? */
/* The worker will be busy for a while, or is no longer: what holds for new connections at once. */
void spread_set_busy(struct spread *, unsigned slot, bool is_busy, uint64_t now_ms);

#endif
