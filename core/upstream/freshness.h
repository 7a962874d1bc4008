/*
 * freshness - is what the loop's last poll has not reported still true of an idle connection?
 */
#ifndef UPSTREAM_FRESHNESS_H
#define UPSTREAM_FRESHNESS_H

#include "net/loop.h"

enum {
    FRESH_EVENTS = 900, /* less than libuv asks for at once; it asks again if it got so many */
    FRESH_WORK_US = 10000,
    FRESH_MS = 100,
};

/* Has the poll reported everything that was ready, and not long ago? Scripts that took long make
 * it old, and so does a process that stood still. */
static inline bool poll_is_fresh(const struct loop *loop, uint64_t now_us)
{
    return loop->events < FRESH_EVENTS && loop->events_before < FRESH_EVENTS &&
           loop->work_us < FRESH_WORK_US && now_us / 1000 < loop_now_ms(loop) + FRESH_MS;
}

#endif
