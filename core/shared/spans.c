#include "shared/spans.h"

#include "shared/bytes.h"

_Static_assert(sizeof(struct span) == SPAN_BYTES && SPAN_BYTES % 16 == 0,
               "a record has room for it, two words at a time");
_Static_assert(sizeof(struct span_head) % 8 == 0, "the texts begin with a word");
_Static_assert((SPANS_KEPT & (SPANS_KEPT - 1)) == 0, "numbers wrap");

/* --- a span --- */

struct slice span_get(const struct span *s, enum span_text which)
{
    size_t at = 0;

    for (unsigned i = 0; i < which; i++)
        at += s->head.lengths[i];
    return (struct slice){s->texts + at, s->head.lengths[which]};
}

/* --- the ring --- */

static uint64_t whole(uint64_t number)
{
    return 2 * number + 2;
}

/* Two words at a time: there is room for one more, and what it holds does not matter. */
static void put_words(_Atomic uint64_t *to, const uint64_t *from, size_t bytes)
{
    for (size_t i = 0; i < (bytes + 7) / 8; i += 2) {
        atomic_store_explicit(&to[i], from[i], memory_order_relaxed);
        atomic_store_explicit(&to[i + 1], from[i + 1], memory_order_relaxed);
    }
}

void spans_put(struct segment *segment, unsigned slot, const struct span *s)
{
    struct segment_spans_head *head = &segment->spans.heads[slot];
    uint64_t number = atomic_load_explicit(&head->written, memory_order_relaxed);
    struct segment_span *record = &segment->spans.rings[slot][number % SPANS_KEPT];

    atomic_store_explicit(&record->version, whole(number) - 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    put_words(record->words, s->words, sizeof s->head + s->head.bytes);
    atomic_store_explicit(&record->version, whole(number), memory_order_release);
    atomic_store_explicit(&head->written, number + 1, memory_order_release);
}

bool spans_are_there(const struct segment *segment, unsigned slot)
{
    const struct segment_spans_head *head = &segment->spans.heads[slot];

    return atomic_load_explicit(&head->written, memory_order_relaxed) !=
           atomic_load_explicit(&head->taken, memory_order_relaxed);
}

/* Of a record that is whole nothing is wrong; of another one anything may be. */
static bool has_right_lengths(const struct span *s)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < SPAN_TEXTS; i++)
        bytes += s->head.lengths[i];
    return bytes == s->head.bytes && bytes <= sizeof s->texts;
}

static bool read_whole(const struct segment_span *record, uint64_t number, struct span *out)
{
    if (atomic_load_explicit(&record->version, memory_order_acquire) != whole(number))
        return false;
    bytes_read(record->words, out->words, sizeof out->head);
    if (!has_right_lengths(out))
        return false;
    bytes_read(record->words + sizeof out->head / 8, out->texts, out->head.bytes);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&record->version, memory_order_relaxed) == whole(number);
}

/* Two processes may take at once, while one of them ends: the word says whose it is. */
bool spans_take(struct segment *segment, unsigned slot, struct span *out, uint64_t *lost)
{
    struct segment_spans_head *head = &segment->spans.heads[slot];
    uint64_t taken = atomic_load(&head->taken);

    for (;;) {
        uint64_t written = atomic_load_explicit(&head->written, memory_order_acquire);
        uint64_t next = written - taken > SPANS_KEPT ? written - SPANS_KEPT : taken;
        bool is_whole;

        if (written <= taken)
            return false;
        is_whole = read_whole(&segment->spans.rings[slot][next % SPANS_KEPT], next, out);
        if (!atomic_compare_exchange_strong(&head->taken, &taken, next + 1))
            continue;
        *lost += next - taken + !is_whole;
        if (is_whole)
            return true;
        taken = next + 1;
    }
}
