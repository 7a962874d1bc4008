/*
 * spread - new connections go to the workers that are there and move.
 *
 * Each slot has its listening sockets, whether a worker serves them or not, and the kernel deals
 * new connections out to all of them. A worker that is not ready, or whose pulse has stopped, for a
 * second gets none until it moves again; a worker that loads another script, until it has loaded
 * it. No socket is closed for that, so no client is reset: the clients in its queues wait for it,
 * or for the next worker in its slot.
 *
 * Where another lb listened before, all slots get connections all the time: which sockets the
 * kernel means by their number is not known when that one has ended.
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
    bool was_ready[SEGMENT_WORKERS_MAX];    /* once; before that a slow start is no news */
    bool is_busy[SEGMENT_WORKERS_MAX];      /* loads a script, */
    uint64_t back_ms[SEGMENT_WORKERS_MAX];  /* and had loaded it then */
    bool is_off;  /* the system refuses it, or another lb listened there before */
    pid_t beside; /* that one, if it may still run */
};

/* Borrows. At first all slots get new connections. */
void spread_init(struct spread *, const struct segment *, const struct pulse *,
                 const struct sockets *);
void spread_look(struct spread *, uint64_t now_ms);
uint64_t
spread_moved_ms(const struct spread *); /* when a worker was ready and moved, the last time */
/* The worker will load a script, or has: holds for the next connection. */
void spread_set_busy(struct spread *, unsigned slot, bool is_busy, uint64_t now_ms);

#endif
