#include "shared/changes.h"

#include "base/clock.h"
#include "base/hash.h"
#include "shared/bytes.h"

static uint64_t hash_of(uint64_t number, const struct change *change)
{
    uint64_t hash =
        hash_add(hash_mix(number + 1), (struct slice){(const char *)change, sizeof *change});

    return hash != 0 ? hash : 1;
}

static void put(char *room, size_t bytes, const char *text)
{
    size_t length = strlen(text);

    memcpy(room, text, length < bytes ? length : bytes - 1);
}

void changes_note(struct segment *s, unsigned slot, const char *from, const char *to,
                  const char *by, const char *why)
{
    struct change change;

    memset(&change, 0, sizeof change);
    change.wall_us = clock_wall_us();
    put(change.from, sizeof change.from, from);
    put(change.to, sizeof change.to, to);
    put(change.by, sizeof change.by, by);
    put(change.why, sizeof change.why, why);
    changes_put(s, slot, &change);
}

void changes_put(struct segment *s, unsigned slot, const struct change *change)
{
    struct segment_changes *all = &s->changes[slot];
    uint64_t number = atomic_fetch_add(&all->count, 1);
    struct segment_change *place = &all->ring[number % CHANGES_KEPT];

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    atomic_store_explicit(&place->hash, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    bytes_write(place->words, change, sizeof *change);
    atomic_store_explicit(&place->hash, hash_of(number, change), memory_order_release);
}

unsigned changes_read(const struct segment *s, unsigned slot, struct change out[CHANGES_KEPT])
{
    const struct segment_changes *all = &s->changes[slot];
    uint64_t number = atomic_load(&all->count);
    unsigned count = 0;

    for (unsigned i = 0; i < CHANGES_KEPT && number > 0; i++) {
        const struct segment_change *place = &all->ring[--number % CHANGES_KEPT];
        uint64_t hash = atomic_load_explicit(&place->hash, memory_order_acquire);

        bytes_read(place->words, &out[count], sizeof *out);
        count += hash == hash_of(number, &out[count]);
    }
    return count;
}

const char *changes_before(const struct segment *s, unsigned slot, const char *before)
{
    return atomic_load(&s->changes[slot].count) == 0 ? "new" : before;
}

void changes_clear(struct segment *s, unsigned slot)
{
    for (unsigned i = 0; i < CHANGES_KEPT; i++)
        atomic_store(&s->changes[slot].ring[i].hash, 0);
    atomic_store(&s->changes[slot].count, 0);
}
