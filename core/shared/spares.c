/*
 * A seqlock of atomics. If the writer died while the version was odd, readers find nothing until
 * the next monitor has written.
 */
#include "shared/spares.h"

#include "shared/bytes.h"

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof((struct segment_backend *)0)->spares[0],
               "an address has four words");

void spares_publish(struct segment *s, unsigned backend, const struct sockaddr_in6 *addresses,
                    unsigned count)
{
    struct segment_backend *b = &s->backends[backend];
    uint32_t version = atomic_load(&b->spares_version) | 1;

    if (count > SEGMENT_SPARES_MAX)
        count = SEGMENT_SPARES_MAX;
    atomic_store(&b->spares_version, version);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&b->spares_count, count, memory_order_relaxed);
    for (unsigned i = 0; i < count; i++)
        bytes_write(b->spares[i], &addresses[i], sizeof addresses[i]);
    atomic_store_explicit(&b->spares_version, version + 1 ? version + 1 : 2, memory_order_release);
}

unsigned spares_read(const struct segment *s, unsigned backend,
                     struct sockaddr_in6 out[SEGMENT_SPARES_MAX])
{
    const struct segment_backend *b = &s->backends[backend];
    uint32_t before = atomic_load_explicit(&b->spares_version, memory_order_acquire);
    unsigned count = atomic_load_explicit(&b->spares_count, memory_order_relaxed);

    if (before == 0 || before % 2 != 0 || count > SEGMENT_SPARES_MAX)
        return 0;
    for (unsigned i = 0; i < count; i++)
        bytes_read(b->spares[i], &out[i], sizeof out[i]);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&b->spares_version, memory_order_relaxed) == before ? count : 0;
}

bool spares_claim_telling(struct segment *s, unsigned backend)
{
    return atomic_exchange(&s->backends[backend].spares_told, 1) == 0;
}

void spares_clear(struct segment *s, unsigned backend)
{
    atomic_store(&s->backends[backend].spares_version, 0);
    atomic_store(&s->backends[backend].spares_told, 0);
}
