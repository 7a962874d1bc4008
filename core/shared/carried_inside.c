#include "shared/carried_inside.h"

#include "shared/hooks.h"

#include <stdio.h>

/* --- a backend's --- */

/* Facts of a backend that are a word each. */
static const struct {
    const char *name;
    size_t at;
    bool is_long;
} words[] = {
    {"verdict", offsetof(struct segment_backend, verdict), true},
    {"ejection", offsetof(struct segment_backend, ejection), true},
    {"draining", offsetof(struct segment_backend, draining), false},
    {"weight", offsetof(struct segment_backend, weight), false},
    {"weight_known", offsetof(struct segment_backend, weight_known), false},
    {"back_ms", offsetof(struct segment_backend, back_ms), true},
    {"ejected_ms", offsetof(struct segment_backend, ejected_ms), true},
    {"drained_ms", offsetof(struct segment_backend, drained_ms), true},
    {"failures_in_row", offsetof(struct segment_backend, failures_in_row), false},
    {"by_admin", offsetof(struct segment_backend, by_admin), false},
    {"script_drains", offsetof(struct segment_backend, script_drains), false},
    {"script_weight", offsetof(struct segment_backend, script_weight), false},
};

const unsigned carried_words = sizeof words / sizeof *words;

const char *carried_word_name(unsigned word)
{
    return words[word].name;
}

uint64_t carried_read_word(const struct segment_backend *b, unsigned word)
{
    const char *at = (const char *)b + words[word].at;

    return words[word].is_long ? atomic_load((const _Atomic uint64_t *)(const void *)at)
                               : atomic_load((const _Atomic uint32_t *)(const void *)at);
}

void carried_write_word(struct segment_backend *b, unsigned word, uint64_t value)
{
    char *at = (char *)b + words[word].at;

    if (words[word].is_long)
        atomic_store((_Atomic uint64_t *)(void *)at, value);
    else
        atomic_store((_Atomic uint32_t *)(void *)at, (uint32_t)value);
}

/* --- a worker's --- */

static const struct {
    const char *name;
    size_t at;
} numbers[] = {
    {"requests", offsetof(struct segment_worker, requests)},
    {"lines_dropped", offsetof(struct segment_worker, lines_dropped)},
    {"policy_errors", offsetof(struct segment_worker, policy_errors)},
};

/* Then breaches, of each hook. */
enum { PLAIN = sizeof numbers / sizeof *numbers, KINDS = (int)BREACHES - 1 };

const unsigned carried_worker_numbers = (unsigned)PLAIN + (unsigned)HOOKS * (unsigned)KINDS;

const char *carried_worker_name(unsigned number, char room[CARRIED_NAME_BYTES])
{
    if (number < PLAIN)
        return numbers[number].name;
    number -= PLAIN;
    snprintf(room, CARRIED_NAME_BYTES, "%s.%s", hook_name((enum hook)(number / KINDS)),
             breach_name((enum breach)(number % KINDS + 1)));
    return room;
}

uint64_t carried_worker_number(const struct segment_worker *w, unsigned number)
{
    if (number < PLAIN)
        return atomic_load(
            (const _Atomic uint64_t *)(const void *)((const char *)w + numbers[number].at));
    number -= PLAIN;
    return atomic_load(&w->policy_breaches[number / KINDS][number % KINDS + 1]);
}

void carried_add_worker_number(struct segment_worker *w, unsigned number, uint64_t n)
{
    if (number < PLAIN) {
        atomic_fetch_add((_Atomic uint64_t *)(void *)((char *)w + numbers[number].at), n);
        return;
    }
    number -= PLAIN;
    atomic_fetch_add(&w->policy_breaches[number / KINDS][number % KINDS + 1], (uint32_t)n);
}
