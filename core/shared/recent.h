/*
 * recent - how many of something there were in the last second, of one worker.
 *
 * One process writes, all read. To add costs a few instructions; the clock is the caller's.
 * It counts by eighths of a second, so "the last second" is 0.9 to 1.02 s.
 */
#ifndef SHARED_RECENT_H
#define SHARED_RECENT_H

#include <stdatomic.h>
#include <stdint.h>

enum { RECENT_SLOT_BITS = 7, RECENT_SLOTS = 8 };

struct recent { /* all zero: nothing yet */
    _Atomic uint32_t total;
    _Atomic uint32_t slot; /* of the last one */
    _Atomic uint64_t
        before[RECENT_SLOTS]; /* slot:32, and the total before the first one in it:32 */
};

static inline uint32_t recent_slot(uint64_t now_ms)
{
    return (uint32_t)(now_ms >> RECENT_SLOT_BITS);
}

void recent_turn(struct recent *, uint32_t slot); /* the first one in this slot */

static inline void recent_add(struct recent *t, uint32_t slot)
{
    if (__builtin_expect(atomic_load_explicit(&t->slot, memory_order_relaxed) != slot, 0))
        recent_turn(t, slot);
    atomic_store_explicit(&t->total, atomic_load_explicit(&t->total, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* In the last second, this slot included; but not in slots before `from`. */
uint32_t recent_sum(const struct recent *, uint32_t slot, uint32_t from);

#endif
