#include "shared/backend_numbers.h"

#include "shared/bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MEDIAN_EVERY_MS = 100, ERROR_CLAIM_STALE_MS = 1000, ERROR_READ_TRIES = 64 };

static const double ERRORS_LEAST = 1e-6; /* what is left of one after 40 s of samples */

#define LOAD(word)         atomic_load_explicit(&(word), memory_order_relaxed)
#define STORE(word, value) atomic_store_explicit(&(word), value, memory_order_relaxed)

/* --- one worker's share --- */

struct segment_share *numbers_share(struct segment *s, unsigned worker, unsigned slot)
{
    CHECK(worker < SEGMENT_WORKERS_MAX && slot < SEGMENT_BACKENDS_MAX);
    return &s->shares[worker][slot];
}

/* This process is the only writer: no locked instruction is needed. */
void numbers_note_begin(struct segment_share *share)
{
    STORE(share->in_flight, LOAD(share->in_flight) + 1);
    STORE(share->pending, LOAD(share->pending) + 1);
    STORE(share->requests, LOAD(share->requests) + 1);
}

void numbers_note_head(struct segment_share *share)
{
    STORE(share->pending, LOAD(share->pending) - 1);
}

void numbers_note_end(struct segment_share *share, bool is_pending)
{
    STORE(share->in_flight, LOAD(share->in_flight) - 1);
    if (is_pending)
        numbers_note_head(share);
}

/* The same place, in the lines for what is seldom. */
static struct segment_misses *misses_of(struct segment *s, struct segment_share *share)
{
    STORE(share->has_misses, 1);
    return &s->misses[0][0] + (share - &s->shares[0][0]);
}

void numbers_note_outcome(struct segment *s, struct segment_share *share,
                          enum attempt_outcome outcome)
{
    _Atomic uint64_t *count =
        outcome == ATTEMPT_OK ? &share->ok : &misses_of(s, share)->by_outcome[outcome];

    STORE(*count, LOAD(*count) + 1);
}

struct segment_pool *numbers_pool(struct segment *s, unsigned worker, unsigned slot)
{
    CHECK(worker < SEGMENT_WORKERS_MAX && slot < SEGMENT_BACKENDS_MAX);
    return &s->pools[worker][slot];
}

void numbers_note_open(struct segment_pool *pool, int more)
{
    STORE(pool->open, LOAD(pool->open) + (uint32_t)more);
}

void numbers_note_idle(struct segment_pool *pool, int more)
{
    STORE(pool->idle, LOAD(pool->idle) + (uint32_t)more);
}

void numbers_forget_pool(struct segment_pool *pool)
{
    if (LOAD(pool->open) == 0 && LOAD(pool->idle) == 0)
        return; /* so that no page is made of what was never written */
    STORE(pool->open, 0);
    STORE(pool->idle, 0);
}

static void forget_attempts(struct segment_share *share)
{
    atomic_store(&share->in_flight, 0);
    atomic_store(&share->pending, 0);
}

void numbers_add(struct segment *s, unsigned worker, unsigned slot, uint64_t requests,
                 uint64_t failures, const uint64_t outcomes[ATTEMPT_OUTCOMES])
{
    struct segment_share *share = numbers_share(s, worker, slot);

    STORE(share->requests, LOAD(share->requests) + requests);
    STORE(share->ok, LOAD(share->ok) + outcomes[ATTEMPT_OK]);
    if (failures > 0)
        STORE(misses_of(s, share)->failures, LOAD(misses_of(s, share)->failures) + failures);
    for (unsigned i = 0; i < ATTEMPT_OUTCOMES; i++)
        if (i != ATTEMPT_OK && outcomes[i] > 0)
            STORE(misses_of(s, share)->by_outcome[i],
                  LOAD(misses_of(s, share)->by_outcome[i]) + outcomes[i]);
}

void numbers_forget_worker(struct segment_share *share)
{
    forget_attempts(share);
    atomic_store(&share->holders, 0);
}

/* In order: who sees nobody hold the slot sees what was done with it before, too. */
void numbers_hold(struct segment_share *share)
{
    atomic_store(&share->holders, LOAD(share->holders) + 1);
}

void numbers_release(struct segment_share *share)
{
    atomic_store(&share->holders, LOAD(share->holders) - 1);
}

/* What is left after a time of what halves within another. */
static double remains(uint64_t from_ms, uint64_t to_ms, double half_ms)
{
    return to_ms > from_ms ? exp2(-(double)(to_ms - from_ms) / half_ms) : 1;
}

void numbers_note_answer(struct segment_share *share, double ms, bool is_error, uint64_t now_ms)
{
    double left = remains(LOAD(share->at_ms), now_ms, NUMBERS_MEMORY_MS);

    STORE(share->samples, LOAD(share->samples) * left + 1);
    STORE(share->sum_ms, LOAD(share->sum_ms) * left + ms);
    STORE(share->errors, LOAD(share->errors) * left + (is_error ? 1 : 0));
    STORE(share->at_ms, now_ms);
}

void numbers_note_failure(struct segment *s, struct segment_share *share, double ms,
                          uint64_t now_ms)
{
    double penalty_ms =
        fmax(NUMBERS_PENALTY_FACTOR * numbers_median_ms(s, now_ms), NUMBERS_PENALTY_MS);
    _Atomic uint64_t *failures = &misses_of(s, share)->failures;

    STORE(*failures, LOAD(*failures) + 1);
    numbers_note_answer(share, fmax(ms, penalty_ms), true, now_ms);
}

/* --- over all workers --- */

/* Scripts read the sums for each backend. */
#define DEFINE_SUM(type, member)                                                                   \
    type numbers_##member(const struct segment *s, unsigned slot)                                  \
    {                                                                                              \
        const struct segment_share *share = &s->shares[0][slot];                                   \
        const struct segment_share *end =                                                          \
            share + (size_t)segment_workers(s) * SEGMENT_BACKENDS_MAX;                             \
        type sum = 0;                                                                              \
                                                                                                   \
        CHECK(slot < SEGMENT_BACKENDS_MAX);                                                        \
        for (; share != end; share += SEGMENT_BACKENDS_MAX)                                        \
            sum += LOAD(share->member);                                                            \
        return sum;                                                                                \
    }

DEFINE_SUM(uint32_t, in_flight)
DEFINE_SUM(uint32_t, pending)
DEFINE_SUM(uint64_t, requests)

/* A worker's, or NULL if it never had any. A page of lines that nobody has written stays unread:
 * to read it would make it. */
static const struct segment_misses *misses_seen(const struct segment *s, unsigned worker,
                                                unsigned slot)
{
    return LOAD(s->shares[worker][slot].has_misses) != 0 ? &s->misses[worker][slot] : NULL;
}

/* Between two stores of a worker an idle one may be no more. */
void numbers_connections(const struct segment *s, unsigned slot, uint64_t *open, uint64_t *idle)
{
    unsigned workers = segment_workers(s);

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    *open = *idle = 0;
    for (unsigned i = 0; i < workers; i++) {
        uint32_t there = LOAD(s->pools[i][slot].open), rests = LOAD(s->pools[i][slot].idle);

        *open += there;
        *idle += rests < there ? rests : there;
    }
}

uint64_t numbers_failures(const struct segment *s, unsigned slot)
{
    unsigned workers = segment_workers(s);
    uint64_t sum = 0;

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    for (unsigned i = 0; i < workers; i++) {
        const struct segment_misses *misses = misses_seen(s, i, slot);

        sum += misses != NULL ? LOAD(misses->failures) : 0;
    }
    return sum;
}

void numbers_outcomes(const struct segment *s, unsigned slot, uint64_t sums[ATTEMPT_OUTCOMES])
{
    unsigned workers = segment_workers(s);

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    memset(sums, 0, ATTEMPT_OUTCOMES * sizeof *sums);
    for (unsigned i = 0; i < workers; i++) {
        const struct segment_misses *misses = misses_seen(s, i, slot);

        sums[ATTEMPT_OK] += LOAD(s->shares[i][slot].ok);
        for (unsigned j = 0; misses != NULL && j < ATTEMPT_OUTCOMES; j++)
            sums[j] += LOAD(misses->by_outcome[j]);
    }
}

struct averages {
    double samples, sum_ms, errors;
    double left; /* of what they say: less than 1 after a quiet time */
};

static struct averages averages_of(const struct segment *s, unsigned slot, uint64_t now_ms)
{
    unsigned workers = segment_workers(s);
    struct averages all = {.left = 1};
    uint64_t last_ms = 0;
    uint32_t pending = 0;

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    for (unsigned i = 0; i < workers; i++) {
        const struct segment_share *share = &s->shares[i][slot];
        uint64_t at_ms = LOAD(share->at_ms);
        double left;

        pending += LOAD(share->pending);
        if (at_ms == 0)
            continue;
        left = remains(at_ms, now_ms, NUMBERS_MEMORY_MS);
        all.samples += LOAD(share->samples) * left;
        all.sum_ms += LOAD(share->sum_ms) * left;
        all.errors += LOAD(share->errors) * left;
        if (at_ms > last_ms)
            last_ms = at_ms;
    }
    /* A backend that does not answer at all must not look better and better meanwhile. */
    if (pending == 0)
        all.left = remains(last_ms + NUMBERS_QUIET_MS, now_ms, NUMBERS_FADE_MS);
    return all;
}

double numbers_ewma_ms(struct segment *s, unsigned slot, uint64_t now_ms)
{
    struct averages all = averages_of(s, slot, now_ms);

    return all.samples > 0 ? all.sum_ms / all.samples * all.left : numbers_median_ms(s, now_ms);
}

/* A policy asks this of each backend, and there are seldom any. */
static bool has_errors(const struct segment *s, unsigned slot)
{
    unsigned workers = segment_workers(s);

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    for (unsigned i = 0; i < workers; i++)
        if (LOAD(s->shares[i][slot].errors) > ERRORS_LEAST)
            return true;
    return false;
}

double numbers_error_rate(const struct segment *s, unsigned slot, uint64_t now_ms)
{
    struct averages all;

    if (!has_errors(s, slot))
        return 0;
    all = averages_of(s, slot, now_ms);
    return all.samples > 0 ? all.errors / all.samples * all.left : 0;
}

/* --- the pool's median --- */

static int compare_numbers(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* The lower one of two in the middle. */
static double median_reckon(const struct segment *s, uint64_t now_ms)
{
    static double values[SEGMENT_BACKENDS_MAX]; /* 32 KiB, which no stack needs to have */
    unsigned slots = atomic_load(&s->backends_count);
    unsigned count = 0;

    for (unsigned i = 0; i < slots && i < SEGMENT_BACKENDS_MAX; i++) {
        struct averages all = averages_of(s, i, now_ms);

        if (all.samples > 0 && segment_slot_is_used(s, i))
            values[count++] = all.sum_ms / all.samples * all.left;
    }
    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, compare_numbers);
    return values[(count - 1) / 2];
}

double numbers_median_ms(struct segment *s, uint64_t now_ms)
{
    uint64_t at_ms = LOAD(s->median_at_ms);

    /* The process that changes the time reckons it; meanwhile the others have the last one. */
    if ((at_ms == 0 || now_ms >= at_ms + MEDIAN_EVERY_MS) &&
        atomic_compare_exchange_strong(&s->median_at_ms, &at_ms, now_ms))
        STORE(s->median_ms, median_reckon(s, now_ms));
    return LOAD(s->median_ms);
}

/* --- the last error --- */

/* A claim, as of an ejection (shared/board.c): one writer at a time, and a writer that died
 * keeps the others away for ERROR_CLAIM_STALE_MS at most. */
_Static_assert(sizeof((struct segment_backend *)0)->last_error == NUMBERS_ERROR_BYTES,
               "room for a last error");

static const uint64_t CLAIM_TIME_MASK = (1ull << 40) - 1;

static bool claim_is_busy(uint64_t claim)
{
    return (claim >> 40 & 1) != 0;
}

/* The next count; it is odd while the text is being written. */
static uint64_t claim_next(uint64_t claim, bool busy, uint64_t now_ms)
{
    uint64_t count = (claim >> 40) + 1;

    if ((count & 1) != (busy ? 1 : 0))
        count++;
    if ((count & 0xffffff) == 0) /* 0: there was none yet */
        count += 2;
    return count << 40 | (now_ms & CLAIM_TIME_MASK);
}

void numbers_note_error(struct segment *s, unsigned slot, const char *text, uint64_t now_ms)
{
    struct segment_backend *b = &s->backends[slot];
    uint64_t claim = atomic_load(&b->error_claim), mine;
    char new[NUMBERS_ERROR_BYTES] = "";

    memcpy(new, text, strnlen(text, sizeof new - 1));
    if (!claim_is_busy(claim) && claim != 0 && bytes_are(b->last_error, new, sizeof new))
        return;
    if (claim_is_busy(claim) && now_ms < (claim & CLAIM_TIME_MASK) + ERROR_CLAIM_STALE_MS)
        return; /* somebody writes another one */
    mine = claim_next(claim, true, now_ms);
    if (!atomic_compare_exchange_strong(&b->error_claim, &claim, mine))
        return;
    atomic_thread_fence(memory_order_release);
    bytes_write(b->last_error, new, sizeof new);
    (void)atomic_compare_exchange_strong(&b->error_claim, &mine, claim_next(mine, false, now_ms));
}

bool numbers_last_error(const struct segment *s, unsigned slot, char out[NUMBERS_ERROR_BYTES])
{
    const struct segment_backend *b = &s->backends[slot];

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    for (unsigned tries = 0; tries < ERROR_READ_TRIES; tries++) {
        uint64_t before = atomic_load_explicit(&b->error_claim, memory_order_acquire);

        if (before == 0)
            return false;
        if (claim_is_busy(before))
            continue;
        bytes_read(b->last_error, out, NUMBERS_ERROR_BYTES);
        atomic_thread_fence(memory_order_acquire);
        if (LOAD(b->error_claim) != before)
            continue;
        out[NUMBERS_ERROR_BYTES - 1] = '\0';
        return true;
    }
    return false;
}

bool numbers_are_held(const struct segment *s, unsigned slot)
{
    unsigned workers = segment_workers(s);

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    for (unsigned i = 0; i < workers; i++)
        if (atomic_load(&s->shares[i][slot].holders) != 0)
            return true;
    return false;
}

static void clear_misses(struct segment *s, struct segment_share *share)
{
    struct segment_misses *misses;

    if (LOAD(share->has_misses) == 0)
        return;
    misses = misses_of(s, share);
    STORE(misses->failures, 0);
    for (unsigned i = 0; i < ATTEMPT_OUTCOMES; i++)
        STORE(misses->by_outcome[i], 0);
    STORE(share->has_misses, 0);
}

void numbers_clear(struct segment *s, unsigned slot)
{
    unsigned workers = segment_workers(s);

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    for (unsigned i = 0; i < workers; i++) {
        struct segment_share *share = &s->shares[i][slot];

        forget_attempts(share);
        STORE(share->requests, 0);
        STORE(share->ok, 0);
        clear_misses(s, share);
        STORE(share->at_ms, 0);
        STORE(share->samples, 0);
        STORE(share->sum_ms, 0);
        STORE(share->errors, 0);
    }
    STORE(s->backends[slot].failures_in_row, 0);
    STORE(s->backends[slot].error_claim, 0);
    STORE(s->backends[slot].checks_passed, 0);
    STORE(s->backends[slot].checks_failed, 0);
    STORE(s->backends[slot].ejections, 0);
}
