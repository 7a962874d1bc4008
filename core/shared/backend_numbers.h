/*
 * backend_numbers - what traffic says of each backend, true over all workers.
 *
 * Each worker writes a cache line of its own for each backend, with plain stores;
 * readers add up. Averages are decaying sums: the sums of several workers add up to
 * exactly what one worker would have seen. A reader may meet a worker between two of
 * its stores, and is wrong by one sample then. Times are the steady clock's, in ms;
 * backends go by their slot.
 */
#ifndef SHARED_BACKEND_NUMBERS_H
#define SHARED_BACKEND_NUMBERS_H

#include "base/slice.h"
#include "shared/segment.h"

enum {
    NUMBERS_MEMORY_MS = 2000,    /* after which a sample counts half */
    NUMBERS_QUIET_MS = 1000,     /* without a sample before averages begin to fade, */
    NUMBERS_FADE_MS = 5000,      /* and for how long until they have halved */
    NUMBERS_PENALTY_FACTOR = 10, /* a failure is a sample of so many times the pool's median, */
    NUMBERS_PENALTY_MS = 100,    /* at least so much, */
    NUMBERS_ERROR_BYTES = 96,    /* of a last error, with the NUL */
};

/* --- for the one worker whose share it is --- */

struct segment_share *numbers_share(struct segment *, unsigned worker, unsigned slot);
void numbers_note_begin(struct segment_share *); /* in flight and pending from now on */
void numbers_note_head(struct segment_share *);  /* no longer pending */
void numbers_note_end(struct segment_share *, bool is_pending);
/* The backend answered with a head, so long after the request was sent. */
void numbers_note_answer(struct segment_share *, double ms, bool is_error, uint64_t now_ms);
/* It is over, in that way. */
void numbers_note_outcome(struct segment *, struct segment_share *, enum attempt_outcome);
/* It failed by the backend's fault, so long after it began: counts for its latency, too. */
void numbers_note_failure(struct segment *, struct segment_share *, double ms, uint64_t now_ms);
/* A script that has the backend is in use from now on; and no longer. */
void numbers_hold(struct segment_share *);
void numbers_release(struct segment_share *);
/* Connections there: so many more, or fewer. */
struct segment_pool *numbers_pool(struct segment *, unsigned worker, unsigned slot);
void numbers_note_open(struct segment_pool *, int more);
void numbers_note_idle(struct segment_pool *, int more);
void numbers_forget_pool(struct segment_pool *);    /* its worker died */
void numbers_forget_worker(struct segment_share *); /* it died: attempts, and what it held */

/* --- for all --- */

uint32_t numbers_in_flight(const struct segment *, unsigned slot);
uint32_t numbers_pending(const struct segment *, unsigned slot);
uint64_t numbers_requests(const struct segment *, unsigned slot);
void numbers_connections(const struct segment *, unsigned slot, uint64_t *open, uint64_t *idle);
uint64_t numbers_failures(const struct segment *, unsigned slot);
/* How many attempts have ended in each way. */
void numbers_outcomes(const struct segment *, unsigned slot, uint64_t sums[ATTEMPT_OUTCOMES]);

/* From the request's end to the head of the response, the last seconds' average. That of
 * the pool's median before the first sample; fades while nothing is pending and no samples
 * come, so that a backend that was slow is tried again. */
double numbers_ewma_ms(struct segment *, unsigned slot, uint64_t now_ms);
/* Which part of the attempts failed or was answered 5xx, in the same way: 0 to 1. */
double numbers_error_rate(const struct segment *, unsigned slot, uint64_t now_ms);
/* Of the ewma_ms of all that have samples; reckoned ten times a second at most. */
double numbers_median_ms(struct segment *, uint64_t now_ms);

/* What the last failure was; cut off at NUMBERS_ERROR_BYTES. Written only if it is another
 * text. */
void numbers_note_error(struct segment *, unsigned slot, const char *text, uint64_t now_ms);
/* False: there was none, or it changes this moment; the text is undefined then. */
bool numbers_last_error(const struct segment *, unsigned slot, char text[NUMBERS_ERROR_BYTES]);

/* What others have counted, in the share of a worker that is not there. */
void numbers_add(struct segment *, unsigned worker, unsigned slot, uint64_t requests,
                 uint64_t failures, const uint64_t outcomes[ATTEMPT_OUTCOMES]);
bool numbers_are_held(const struct segment *, unsigned slot); /* in any worker */
/* The slot is another backend's from now on; nothing may be in flight there. */
void numbers_clear(struct segment *, unsigned slot);

#endif
