#include "shared/recent.h"

void recent_turn(struct recent *t, uint32_t slot)
{
    uint32_t total = atomic_load_explicit(&t->total, memory_order_relaxed);

    atomic_store_explicit(&t->before[slot % RECENT_SLOTS], (uint64_t)slot << 32 | total,
                          memory_order_relaxed);
    atomic_store_explicit(&t->slot, slot, memory_order_relaxed);
}

/* What was there before the oldest slot that counts. Slots in which nothing was left no mark. */
uint32_t recent_sum(const struct recent *t, uint32_t slot, uint32_t from)
{
    uint32_t total = atomic_load_explicit(&t->total, memory_order_relaxed);

    for (uint32_t age = RECENT_SLOTS; age-- > 0;) {
        uint32_t at = slot - age;
        uint64_t before = atomic_load_explicit(&t->before[at % RECENT_SLOTS], memory_order_relaxed);

        if ((uint32_t)(before >> 32) == at && at >= from)
            return total - (uint32_t)before;
    }
    return 0;
}
