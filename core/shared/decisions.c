/*
 * An item is three bytes (what it says, the length of its number, the length of its text), the
 * number and the text.
 */
#include "shared/decisions.h"

#include "base/utf8.h"
#include "shared/bytes.h"

enum { ITEM_HEAD_BYTES = 3, ITEM_TEXT_MAX = 200 };

_Static_assert(sizeof(struct decision) == DECISION_BYTES, "a record has room for it");
_Static_assert(sizeof(struct segment_decision) == 512, "eight lines of the cache");

static const char dots[] = "...";

/* --- items --- */

static bool has_number(enum decision_says says)
{
    return says == DECISION_TRY || says == DECISION_TRY_TIMES || says == DECISION_TRY_COMPARED ||
           says == DECISION_TRY_STATUS || says == DECISION_OUT;
}

void decision_put(struct decision *d, const struct decision_item *item, size_t most)
{
    size_t number = has_number(item->says) ? sizeof item->number : 0;
    size_t length = item->text.length;
    char *out = d->items + d->items_bytes;

    if (most > ITEM_TEXT_MAX)
        most = ITEM_TEXT_MAX;
    if (length > most)
        length = utf8_cut(item->text, most - strlen(dots)) + strlen(dots);
    if (d->is_cut || d->items_bytes + ITEM_HEAD_BYTES + number + length > sizeof d->items) {
        d->is_cut = true;
        return;
    }
    *out++ = (char)item->says;
    *out++ = (char)number;
    *out++ = (char)(unsigned char)length;
    memcpy(out, &item->number, number);
    if (length > 0)
        memcpy(out + number, item->text.start, length);
    if (length < item->text.length)
        memcpy(out + number + length - strlen(dots), dots, strlen(dots));
    d->items_bytes = (uint16_t)(d->items_bytes + ITEM_HEAD_BYTES + number + length);
}

bool decision_next(const struct decision *d, size_t *at, struct decision_item *out)
{
    size_t end = d->items_bytes, number, length;
    const char *item = d->items + *at;

    if (end > sizeof d->items || end < *at + ITEM_HEAD_BYTES)
        return false;
    number = (unsigned char)item[1];
    length = (unsigned char)item[2];
    if (number > sizeof out->number || end < *at + ITEM_HEAD_BYTES + number + length)
        return false;
    *out = (struct decision_item){
        .says = (enum decision_says)item[0],
        .text = {item + ITEM_HEAD_BYTES + number, length},
    };
    memcpy(&out->number, item + ITEM_HEAD_BYTES, number);
    *at += ITEM_HEAD_BYTES + number + length;
    return true;
}

/* --- the rings --- */

struct segment_decision *decisions_place(const struct segment *s, unsigned worker,
                                         enum decisions_ring ring, unsigned place)
{
    struct segment_decisions *all = (struct segment_decisions *)&s->decisions[worker];

    CHECK(worker < SEGMENT_WORKERS_MAX);
    if (ring == DECISIONS_WRONG) {
        CHECK(place < DECISIONS_WRONG_MAX);
        return &all->wrong[place];
    }
    CHECK(place < DECISIONS_USUAL_MAX);
    return &all->usual[place];
}

/* Up to seven bytes behind the items are written, too; no reader looks at them. */
static void write_words(_Atomic uint64_t *to, const struct decision *d)
{
    size_t count = (offsetof(struct decision, items) + d->items_bytes + 7) / sizeof *to;

    for (size_t i = 0; i < count; i++) {
        uint64_t word;

        memcpy(&word, (const char *)d + i * sizeof word, sizeof word);
        atomic_store_explicit(&to[i], word, memory_order_relaxed);
    }
}

/* This process is the only writer: its own stores need no locks. A version that a killed worker
 * left odd stays odd until this record is whole. */
void decisions_keep(struct segment *s, unsigned worker, const struct decision *d, unsigned keep)
{
    enum decisions_ring ring = d->is_wrong ? DECISIONS_WRONG : DECISIONS_USUAL;
    struct segment_worker *w = &s->workers[worker];
    uint32_t number = atomic_load_explicit(&w->decisions[ring], memory_order_relaxed);
    unsigned place = number % keep;
    struct segment_decision *record = decisions_place(s, worker, ring, place);
    uint64_t odd = atomic_load_explicit(&record->version, memory_order_relaxed) | 1;

    atomic_store_explicit(&record->version, odd, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    write_words(record->words, d);
    atomic_store_explicit(&record->version, odd + 1, memory_order_release);
    if (atomic_load_explicit(&w->decisions_used[ring], memory_order_relaxed) <= place)
        atomic_store_explicit(&w->decisions_used[ring], place + 1, memory_order_release);
    atomic_store_explicit(&w->decisions[ring], number + 1, memory_order_relaxed);
}

unsigned decisions_used(const struct segment *s, unsigned worker, enum decisions_ring ring)
{
    unsigned used =
        atomic_load_explicit(&s->workers[worker].decisions_used[ring], memory_order_acquire);
    unsigned most = ring == DECISIONS_WRONG ? DECISIONS_WRONG_MAX : DECISIONS_USUAL_MAX;

    return used < most ? used : most;
}

bool decisions_read(const struct segment *s, unsigned worker, enum decisions_ring ring,
                    unsigned place, struct decision *out)
{
    const struct segment_decision *record = decisions_place(s, worker, ring, place);
    uint64_t version = atomic_load_explicit(&record->version, memory_order_acquire);

    if (version == 0 || version % 2 != 0)
        return false;
    bytes_read(record->words, out, sizeof *out);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&record->version, memory_order_relaxed) == version;
}
