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

/* Of those that are marked the one whose first request has waited longest; or WORKERS_MAX. */
static unsigned worker_to_wake(const struct segment *s, uint64_t marks)
{
    unsigned chosen = SEGMENT_WORKERS_MAX;
    uint64_t earliest_us = UINT64_MAX;

    for (unsigned w = 0; w < segment_workers(s); w++) {
        uint64_t since_us;

        if ((marks & mark_of(w)) == 0)
            continue;
        since_us = atomic_load_explicit(&s->workers[w].waiting_since_us, memory_order_relaxed);
        if (since_us != 0 && since_us < earliest_us) {
            earliest_us = since_us;
            chosen = w;
        }
    }
    return chosen;
}

/* The place is given back by a plain store. Without the fence it could become visible after the
 * marks were read: a worker that marked itself in between would have seen no room. */
void queued_wake(const struct segment *s, unsigned slot)
{
    uint64_t marks;

    atomic_thread_fence(memory_order_seq_cst);
    marks = atomic_load_explicit(marks_of(s, slot), memory_order_relaxed);
    if (marks != 0)
        wake_worker(s, worker_to_wake(s, marks));
}

void queued_forget_worker(struct segment *s, unsigned worker)
{
    unsigned count = atomic_load(&s->backends_count);

    for (unsigned slot = 0; slot < count; slot++)
        queued_clear(s, slot, worker);
    queued_note(s, worker, 0, 0);
}

uint32_t queued_requests(const struct segment *s)
{
    uint32_t sum = 0;

    for (unsigned w = 0; w < segment_workers(s); w++)
        sum += atomic_load_explicit(&s->workers[w].waiting, memory_order_relaxed);
    return sum;
}

void queued_note(struct segment *s, unsigned worker, uint32_t waiting, uint64_t since_us)
{
    atomic_store_explicit(&s->workers[worker].waiting, waiting, memory_order_relaxed);
    atomic_store_explicit(&s->workers[worker].waiting_since_us, since_us, memory_order_relaxed);
}
