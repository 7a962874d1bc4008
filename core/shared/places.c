#include "shared/places.h"

#include "shared/wake.h"

enum { ASK_AGAIN_MS = 20 };

static uint64_t places_of(const struct segment *s, unsigned worker)
{
    return atomic_load_explicit(&s->workers[worker].clients, memory_order_relaxed);
}

uint64_t places_taken(const struct segment *s)
{
    uint64_t sum = 0;

    for (unsigned w = segment_workers(s); w-- > 0;)
        sum += places_of(s, w);
    return sum;
}

void places_want(struct segment *s, unsigned worker, uint64_t now_ms)
{
    bool is_asked = atomic_exchange(&s->place_wanted, worker + 1) != 0;

    if (is_asked && now_ms - atomic_load(&s->place_asked_ms) < ASK_AGAIN_MS)
        return;
    atomic_store(&s->place_asked_ms, now_ms);
    for (unsigned w = 0; w < segment_workers(s); w++)
        if (w != worker && places_of(s, w) > 0)
            wake_worker(s, w);
}

bool places_are_wanted(const struct segment *s, unsigned worker)
{
    uint32_t by = atomic_load(&s->place_wanted);

    return by != 0 && by != worker + 1;
}

void places_free(struct segment *s, unsigned worker)
{
    uint32_t by = atomic_load_explicit(&s->place_wanted, memory_order_relaxed);

    if (by == 0)
        return;
    by = atomic_exchange(&s->place_wanted, 0);
    if (by != 0 && by != worker + 1)
        wake_worker(s, by - 1);
}
