/*
 * parking - a script that fails too often is asked no more, by any worker, until
 * another one is loaded.
 *
 * Breaches are counted over all workers, so that one service behaves alike. Each
 * script that is loaded has a number; what is said of one that is no longer the
 * newest is none of the newest one's.
 */
#ifndef SHARED_PARKING_H
#define SHARED_PARKING_H

#include "shared/segment.h"

enum { PARKING_WINDOW_MS = 10000 };

struct parking_cause { /* of the breach that was one too many */
    uint8_t hook, kind;
    uint32_t line;
};

/* Of a script that is loaded now. */
uint64_t parking_number(const struct segment *);
/* Another script is there, and it has done nothing yet. Before it is loaded in any worker. */
void parking_forget(struct segment *);

static inline bool parking_is_parked(const struct segment *s, uint64_t number)
{
    return atomic_load_explicit(&s->parking.parked, memory_order_relaxed) == number;
}

/* A breach of the script. True for the one caller whose breach was number `most` within
 * the window (SEGMENT_PARKING_MAX at most; 0: never) and has parked it. */
bool parking_count(struct segment *, uint64_t number, unsigned most, struct parking_cause,
                   uint64_t now_ms);
/* Once in so long for all workers together, and only if it is parked: true, and why. */
bool parking_remind(struct segment *, uint64_t number, uint64_t every_ms, uint64_t now_ms,
                    struct parking_cause *);

#endif
