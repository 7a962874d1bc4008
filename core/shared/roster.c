/*
 * A seqlock of atomics, as in shared/spares.c.
 */
#include "shared/roster.h"

#include "shared/bytes.h"

enum { TRIES = 3 };

void roster_put(struct segment *s, unsigned slot, const struct roster_entry *entry)
{
    struct segment_roster *r = &s->roster[slot];
    uint32_t before = atomic_load(&r->version), version = before | 1;

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    if (before != 0 && before != version && bytes_are(r->words, entry, sizeof *entry))
        return;
    atomic_store(&r->version, version);
    atomic_thread_fence(memory_order_release);
    bytes_write(r->words, entry, sizeof *entry);
    atomic_store_explicit(&r->version, version + 1 != 0 ? version + 1 : 2, memory_order_release);
}

static bool read_once(const struct segment_roster *r, struct roster_entry *out)
{
    uint32_t before = atomic_load_explicit(&r->version, memory_order_acquire);

    if (before == 0 || before % 2 != 0)
        return false;
    bytes_read(r->words, out, sizeof *out);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&r->version, memory_order_relaxed) == before;
}

bool roster_read(const struct segment *s, unsigned slot, struct roster_entry *out)
{
    for (unsigned i = 0; slot < SEGMENT_BACKENDS_MAX && i < TRIES; i++)
        if (read_once(&s->roster[slot], out))
            return true;
    return false;
}

unsigned roster_find(const struct segment *s, const char *name)
{
    struct roster_entry entry;
    unsigned count = atomic_load(&s->backends_count);

    for (unsigned slot = 0; slot < count && slot < SEGMENT_BACKENDS_MAX; slot++)
        if (segment_slot_is_used(s, slot) && roster_read(s, slot, &entry) &&
            strcmp(entry.name, name) == 0)
            return slot;
    return SEGMENT_BACKENDS_MAX;
}
