/*
 * totals - what one process counts for the metrics: requests by class and duration, bytes,
 * connections, retries, handshakes and what seldom happens.
 *
 * Each process has a totals of its own in the segment, and only it writes there, with plain loads
 * and stores; readers add up. A totals is never cleared: a process that takes the place of a dead
 * one counts on from what is there, so no sum goes back when a process ends. Of what a process
 * counted at the moment of its death one count may be missing.
 */
#ifndef SHARED_TOTALS_H
#define SHARED_TOTALS_H

#include "base/slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    TOTALS_BOUNDS = 14,     /* of durations; what is longer than the last is counted behind it */
    TOTALS_CALL_BOUNDS = 9, /* of calls of hooks */
    TOTALS_CALL_HOOKS = 3,  /* choose, on_failure, on_response: the first ones of enum hook */
    TOTALS_CALL_EACH = TOTALS_CALL_BOUNDS + 2,
    TOTALS_CALLS_TIMED = 64, /* one of so many is */
};

/* Each has a name in totals.c. */
enum totals_count {
    /* With each request. */
    TOTALS_WITHIN, /* as long as the first bound at most; the next one; .. */
    TOTALS_DURATION_US = TOTALS_WITHIN + TOTALS_BOUNDS + 1, /* the sum of all of these */
    TOTALS_BYTES_IN,
    TOTALS_BYTES_OUT,
    TOTALS_1XX, /* answers by class */
    TOTALS_2XX,
    TOTALS_3XX,
    TOTALS_4XX,
    TOTALS_5XX,
    TOTALS_499,             /* the client left */
    TOTALS_OTHER,           /* an answer with no status that has a class */
    TOTALS_HTTP2,           /* requests over HTTP/2, whatever came of them */
    TOTALS_DECISIONS_USUAL, /* of how requests went: kept in that ring, in the other one, or not */
    TOTALS_DECISIONS_WRONG,
    TOTALS_DECISIONS_NOT,
    /* With each connection of a client. */
    TOTALS_CONNECTIONS,
    TOTALS_HTTP2_CONNECTIONS,
    TOTALS_REFUSED_PER_CLIENT,
    TOTALS_REFUSED_PROXY_HEADER,
    TOTALS_TLS_FULL,
    TOTALS_TLS_RESUMED,
    TOTALS_TLS_1_2,
    TOTALS_TLS_1_3,
    TOTALS_TLS_REFUSED, /* by enum tls_refusal, of which 0 is none */
    /* With one call of a hook in 64: for each hook as of requests, the sum of them last. */
    TOTALS_CALLS = TOTALS_TLS_REFUSED + 8,
    /* With what goes wrong. */
    TOTALS_RETRY_AGAIN = TOTALS_CALLS + TOTALS_CALL_HOOKS * TOTALS_CALL_EACH,
    TOTALS_RETRY_NEXT,
    TOTALS_RETRY_AT_ONCE,
    TOTALS_DENIED_UNSAFE,
    TOTALS_DENIED_ATTEMPTS,
    TOTALS_DENIED_BUDGET,
    /* Of the monitor. */
    TOTALS_CHECKS_SKIPPED,
    /* Of the supervisor. */
    TOTALS_WORKERS_DIED,
    TOTALS_WORKERS_HUNG,
    TOTALS_WORKERS_REPLACED,
    TOTALS_MONITORS_DIED,
    TOTALS_ADMINS_DIED,
    TOTALS_RELOADS,
    TOTALS_RELOADS_REFUSED,
    TOTALS_UPGRADES,
    TOTALS_UPGRADES_REFUSED,
    TOTALS_UPGRADES_FAILED,
    /* Of the admin process. */
    TOTALS_SPANS_SENT,
    TOTALS_SPANS_DROPPED,
    TOTALS_SPANS_REFUSED,
    TOTALS_COUNTS
};

struct totals {
    _Atomic uint64_t counts[TOTALS_COUNTS];
};

extern const uint64_t totals_bounds_us[TOTALS_BOUNDS];
extern const uint64_t totals_call_bounds_us[TOTALS_CALL_BOUNDS];

/* This process's; before totals_begin one that nobody reads. */
extern struct totals *totals_own;

static inline void totals_begin(struct totals *totals)
{
    totals_own = totals;
}

/* Does anybody read them? Not those of a process that tries a script only. */
bool totals_are_read(void);
void totals_end(void); /* what this process counts from now on, nobody reads */

static inline void totals_add(unsigned count, uint64_t n)
{
    _Atomic uint64_t *word = &totals_own->counts[count];

    /* This process is the only writer: no locked instruction is needed. */
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

struct totals_request {
    unsigned status;
    uint64_t us, bytes_in, bytes_out; /* of the bodies */
};

void totals_add_request(const struct totals_request *);

/* Is this call of a hook to be timed? Then totals_add_call when it is over. */
static inline bool totals_times_call(void)
{
    extern unsigned totals_calls;

    return totals_calls++ % TOTALS_CALLS_TIMED == 0;
}

void totals_add_call(unsigned hook, uint64_t us);

enum { TOTALS_NAME_BYTES = 48 };
/* By which another version of lb knows it: "within.1000", "2xx". */
const char *totals_name(unsigned count, char room[TOTALS_NAME_BYTES]);
int totals_find(struct slice name); /* -1: there is none of that name */

static inline uint64_t totals_get(const struct totals *totals, unsigned count)
{
    return atomic_load_explicit(&totals->counts[count], memory_order_relaxed);
}

#endif
