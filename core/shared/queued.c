#include "shared/queued.h"

#include "shared/wake.h"

enum { MARKS = 64 }; /* workers beyond have their mark in common with others */

static uint64_t mark_of(unsigned worker)
{
    return 1ull << worker % MARKS;
}

static _Atomic uint64_t *marks_of(const struct segment *s, unsigned slot)
{
    CHECK(slot < SEGMENT_BACKENDS_MAX);
    return (_Atomic uint64_t *)&s->backends[slot].queued;
}

void queued_set(struct segment *s, unsigned slot, unsigned worker)
{
    atomic_fetch_or(marks_of(s, slot), mark_of(worker));
}

void queued_clear(struct segment *s, unsigned slot, unsigned worker)
{
    atomic_fetch_and(marks_of(s, slot), ~mark_of(worker));
}

/* The first mark above the worker's own, or the first at all. */
static unsigned mark_after(uint64_t marks, unsigned worker)
{
    unsigned own = worker % MARKS;
    uint64_t above = own == MARKS - 1 ? 0 : marks & ~0ull << (own + 1);

    return (unsigned)__builtin_ctzll(above != 0 ? above : marks);
}

/* The place is given back by a plain store. Without the fence it could become visible after the
 * marks were read: a worker that marked itself in between would have seen no room. */
void queued_wake(const struct segment *s, unsigned slot, unsigned worker)
{
    uint64_t marks;

    atomic_thread_fence(memory_order_seq_cst);
    marks = atomic_load_explicit(marks_of(s, slot), memory_order_relaxed);
    if (marks == 0)
        return;
    for (unsigned w = mark_after(marks, worker); w < SEGMENT_WORKERS_MAX; w += MARKS)
        wake_worker(s, w);
}

void queued_forget_worker(struct segment *s, unsigned worker)
{
    unsigned count = atomic_load(&s->backends_count);

    for (unsigned slot = 0; slot < count; slot++)
        queued_clear(s, slot, worker);
    queued_count(s, worker, 0);
}

uint32_t queued_requests(const struct segment *s)
{
    unsigned count = atomic_load_explicit(&s->workers_count, memory_order_relaxed);
    uint32_t sum = 0;

    for (unsigned w = 0; w < count && w < SEGMENT_WORKERS_MAX; w++)
        sum += atomic_load_explicit(&s->workers[w].waiting, memory_order_relaxed);
    return sum;
}

void queued_count(struct segment *s, unsigned worker, uint32_t waiting)
{
    atomic_store_explicit(&s->workers[worker].waiting, waiting, memory_order_relaxed);
}
