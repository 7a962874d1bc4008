/*
 * allowance - how many retries there may be, as a part of the usual tries of the last ten seconds.
 *
 * It bounds requests that are sent again and connections that are begun again: extra work must not
 * turn a slow moment into an outage.
 */
#ifndef BASE_ALLOWANCE_H
#define BASE_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

enum { ALLOWANCE_SECONDS = 10 };

struct allowance {
    double fraction; /* of the usual tries, */
    double least;    /* plus so many */
    uint64_t second; /* the newest of the slots */
    uint32_t usual[ALLOWANCE_SECONDS], extra[ALLOWANCE_SECONDS];
    uint64_t usual_sum, extra_sum;
};

void allowance_init(struct allowance *, double fraction, double least);
void allowance_note(struct allowance *, uint64_t now_ms); /* a usual try */
bool allowance_has(struct allowance *, uint64_t now_ms);  /* may there be one more retry? */
void allowance_spend(struct allowance *, uint64_t now_ms);
bool allowance_take(struct allowance *, uint64_t now_ms); /* has and spend; false: it is used up */

#endif
