/*
 * costs - what calls that were stopped have taken of a worker's time, by client.
 *
 * A call that is stopped has had its budget for nothing. One client that finds a request which
 * runs out of it could so take the worker's whole time from all others, at a few requests a second.
 */
#ifndef SCRIPT_COSTS_H
#define SCRIPT_COSTS_H

#include <stdbool.h>
#include <stdint.h>

enum { COSTS_SHARE_US = 250000, COSTS_MAX = 256, COSTS_REFUSED_MAX = 8, COSTS_REFUSED_MS = 1000 };

struct costs { /* all zero: nothing was stopped yet */
    struct {
        uint64_t client, at_ms;
        uint32_t took_us;
    } stopped[COSTS_MAX]; /* the last ones; a ring */
    unsigned next;
    struct {
        uint64_t client, until_ms;
    } refused[COSTS_REFUSED_MAX];
    unsigned next_refused;
    uint64_t refused_until_ms; /* the last of them; 0: none is */
};

/* A call for that client (0: for none, which only adds to the sum) was stopped, and has held the
 * worker up for took_us by the clock. Other clients wait for the clock: on a busy machine a worker
 * whose time one client takes whole may get a tenth of a CPU. */
void costs_note(struct costs *, uint64_t client, uint32_t took_us, uint64_t now_ms);
bool costs_has_refused(struct costs *, uint64_t client, uint64_t now_ms);

static inline bool costs_refuse_any(const struct costs *c)
{
    return __builtin_expect(c->refused_until_ms != 0, 0);
}

#endif
