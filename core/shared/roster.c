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

uint32_t roster_version(const struct segment *s, unsigned slot)
{
    return atomic_load_explicit(&s->roster[slot].version, memory_order_acquire);
}

/* --- what sources have found --- */

/* An odd number is that of a writer that died. */
static uint64_t begin(_Atomic uint64_t *number)
{
    uint64_t odd = atomic_load(number) | 1;

    atomic_store(number, odd);
    atomic_thread_fence(memory_order_release);
    return odd;
}

static uint64_t whole(const _Atomic uint64_t *number)
{
    uint64_t now = atomic_load_explicit(number, memory_order_acquire);

    return now % 2 == 0 ? now : 0;
}

static bool is_still(const _Atomic uint64_t *number, uint64_t before)
{
    atomic_thread_fence(memory_order_acquire);
    return before != 0 && atomic_load_explicit(number, memory_order_relaxed) == before;
}

void roster_want(struct segment *s, const struct roster_head *head,
                 const struct roster_entry *entries)
{
    struct segment_wanted *w = &s->wanted;
    uint64_t odd = begin(&w->number);

    CHECK(head->count <= SEGMENT_BACKENDS_MAX && head->sources <= ROSTER_SOURCES_MAX);
    bytes_write(w->head, head, sizeof *head);
    for (unsigned i = 0; i < head->count; i++)
        bytes_write(w->entries[i], &entries[i], sizeof *entries);
    atomic_store_explicit(&w->number, odd + 1, memory_order_release);
}

uint64_t roster_wanted(const struct segment *s)
{
    return whole(&s->wanted.number);
}

bool roster_read_wanted(const struct segment *s, uint64_t number, struct roster_head *head,
                        struct roster_entry *entries)
{
    const struct segment_wanted *w = &s->wanted;

    bytes_read(w->head, head, sizeof *head);
    for (unsigned i = 0; i < head->count && i < SEGMENT_BACKENDS_MAX; i++)
        bytes_read(w->entries[i], &entries[i], sizeof *entries);
    return is_still(&w->number, number);
}

void roster_give(struct segment *s, struct slice json)
{
    struct segment_given *g = &s->given;
    uint64_t odd = begin(&g->number);

    CHECK(json.length <= ROSTER_TEXT_BYTES);
    atomic_store(&g->bytes, (uint32_t)json.length);
    bytes_write(g->words, json.start, json.length);
    atomic_store_explicit(&g->number, odd + 1, memory_order_release);
}

uint64_t roster_given(const struct segment *s)
{
    return whole(&s->given.number);
}

bool roster_read_given(const struct segment *s, uint64_t number, struct buffer *out)
{
    uint32_t bytes = atomic_load(&s->given.bytes);

    if (bytes > ROSTER_TEXT_BYTES)
        return false;
    bytes_read(s->given.words, buffer_reserve(out, ROSTER_TEXT_BYTES), bytes);
    buffer_grow(out, bytes);
    return is_still(&s->given.number, number);
}

void roster_publish(struct segment *s, const struct roster_list *list)
{
    uint64_t odd = begin(&s->list.number);

    bytes_write(s->list.words, list, sizeof *list);
    atomic_store_explicit(&s->list.number, odd + 1, memory_order_release);
}

uint64_t roster_listed(const struct segment *s)
{
    return whole(&s->list.number);
}

bool roster_read_list(const struct segment *s, uint64_t number, struct roster_list *out)
{
    bytes_read(s->list.words, out, sizeof *out);
    return is_still(&s->list.number, number);
}
