/*
 * A seqlock of atomics, as in shared/spares.c. Only the supervisor writes.
 */
#include "shared/tickets.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum { KEY_MS = 3600 * 1000, KEY_WORDS = SEGMENT_TICKET_KEY_BYTES / 8 };

static bool new_key(uint64_t words[KEY_WORDS])
{
    return getrandom(words, SEGMENT_TICKET_KEY_BYTES, 0) == SEGMENT_TICKET_KEY_BYTES;
}

/* Puts first in front; each key moves one place back, and the oldest is lost. */
static void move_keys(struct segment_tickets *t, const uint64_t first[KEY_WORDS])
{
    for (unsigned i = SEGMENT_TICKET_KEYS; i-- > 0;)
        for (unsigned j = 0; j < KEY_WORDS; j++) {
            uint64_t word =
                i == 0 ? first[j] : atomic_load_explicit(&t->keys[i - 1][j], memory_order_relaxed);

            atomic_store_explicit(&t->keys[i][j], word, memory_order_relaxed);
        }
}

static bool tickets_add(struct segment_tickets *t)
{
    uint32_t version = atomic_load(&t->version) | 1;
    uint64_t words[KEY_WORDS];

    if (!new_key(words))
        return false;
    atomic_store(&t->version, version);
    atomic_thread_fence(memory_order_release);
    move_keys(t, words);
    explicit_bzero(words, sizeof words);
    atomic_store_explicit(&t->version, version + 1 ? version + 1 : 2, memory_order_release);
    return true;
}

bool tickets_open(struct segment *s)
{
    struct segment_tickets *t = &s->tickets;

    (void)mlock(t, sizeof *t); /* never swapped out, if the system allows it */
    (void)madvise(t, sizeof *t, MADV_DONTDUMP);
    for (unsigned i = 0; i < SEGMENT_TICKET_KEYS && atomic_load(&t->version) <= 2 * i; i++)
        if (!tickets_add(t))
            return false;
    return true;
}

void tickets_keep_up(struct segment *s, uint64_t now_ms)
{
    struct segment_tickets *t = &s->tickets;

    if (t->next_ms == 0)
        t->next_ms = now_ms + KEY_MS;
    if (now_ms < t->next_ms || !tickets_add(t))
        return;
    t->next_ms = now_ms + KEY_MS;
}

bool tickets_read(const struct segment *s, struct tickets_keys *out)
{
    const struct segment_tickets *t = &s->tickets;
    uint32_t before = atomic_load_explicit(&t->version, memory_order_acquire);

    if (before == 0 || before % 2 != 0)
        return false;
    for (unsigned i = 0; i < SEGMENT_TICKET_KEYS; i++)
        for (unsigned j = 0; j < KEY_WORDS; j++) {
            uint64_t word = atomic_load_explicit(&t->keys[i][j], memory_order_relaxed);

            memcpy(&out->key[i][j * sizeof word], &word, sizeof word);
        }
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&t->version, memory_order_relaxed) == before;
}
