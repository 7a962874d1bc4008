/*
 * parking - a script that fails too often is asked no more, by any worker, for a while.
 *
 *   asked ------- too many failed in a second -------> rests 1 s
 *     ^                                                   |
 *     |                                   a call on trial, one of all workers' at a time
 *     '------------- a good one ----------------------'   ^   | a bad one: rests 2 s, then 4 .. 60
 *                                                         '---'
 *
 * Counted over all workers, so that one service behaves alike. Each script that is loaded has a
 * number; what is said of an older one does not count for the newest. A worker may die in the
 * middle of anything: a trial ends by itself, when its time is over.
 */
#ifndef SHARED_PARKING_H
#define SHARED_PARKING_H

#include "shared/segment.h"

enum { PARKING_WINDOW_MS = 1000, PARKING_REST_MS = 1000, PARKING_REST_MAX_MS = 60000 };

struct parking_cause { /* of the breach that was one too many */
    uint8_t hook, kind;
    uint32_t line;
};

/* A call that failed by the script's fault. */
struct parking_breach {
    unsigned worker;
    uint64_t client; /* whose request it was; 0: nobody's */
    uint64_t now_ms;
    struct parking_cause cause;
};

/* Of a script that is loaded now. */
uint64_t parking_number(const struct segment *);
/* Another script is there, and it has done nothing yet. Before it is loaded in any worker. */
void parking_forget(struct segment *);

static inline bool parking_is_parked(const struct segment *s, uint64_t number)
{
    return atomic_load_explicit(&s->parking.parked, memory_order_relaxed) == number;
}

void parking_change_client(struct segment_worker *, uint64_t client, uint32_t slot);

/* A hook is called, for that client (0: for none). A dozen instructions, with each call. */
static inline void parking_count(struct segment_worker *worker, uint64_t client, uint64_t now_ms)
{
    uint32_t slot = recent_slot(now_ms);

    if (client != atomic_load_explicit(&worker->policy_client, memory_order_relaxed))
        parking_change_client(worker, client, slot);
    recent_add(&worker->calls, slot);
}

/* Notes a breach of the script. The script is parked if in the last second at least `least` calls
 * failed, half of all calls failed, and the failed calls came from two clients or from the only
 * one. A timer's calls belong to no client, so no client can park the script by them. True for the
 * caller that has parked it. least 0: never. */
bool parking_note(struct segment *, uint64_t number, unsigned least, const struct parking_breach *);

/* The script is parked: may a call be tried, for that client? True for one caller at a time, which
 * reports how it went; after `patience_ms` another call may be tried. The long rests are only for
 * clients whose calls have failed: a client that sends only such calls would be the first again and
 * again, and so keep the script parked for all. */
bool parking_may_try(struct segment *, uint64_t number, uint64_t client, uint64_t now_ms,
                     uint64_t patience_ms);
/* The call went well: parking ends. True for the caller that ended it; *since_ms: when it began. */
bool parking_end(struct segment *, uint64_t number, uint64_t *since_ms);
/* The call failed: parking continues. */
void parking_go_on(struct segment *, uint64_t number, uint64_t client, uint64_t now_ms);
void parking_let_try(struct segment *, uint64_t number); /* nobody knows: the next one is tried */

/* Once in so long for all workers together, and only if it is parked: true, and why. */
bool parking_remind(struct segment *, uint64_t number, uint64_t every_ms, uint64_t now_ms,
                    struct parking_cause *);

#endif
