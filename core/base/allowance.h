/*
 * allowance - how many extra ones there may be for the usual ones of the last ten seconds.
 *
 * Requests sent again beside requests, connections begun again beside connections: extra
 * work must not turn a slow moment into an outage.
 */
#ifndef BASE_ALLOWANCE_H
#define BASE_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

enum { ALLOWANCE_SECONDS = 10 };

struct allowance {
    double fraction; /* of the usual ones, */
    double least;    /* and so many besides */
    uint64_t second; /* the newest of the slots */
    uint32_t usual[ALLOWANCE_SECONDS], extra[ALLOWANCE_SECONDS];
    uint64_t usual_sum, extra_sum;
};

void allowance_init(struct allowance *, double fraction, double least);
void allowance_note(struct allowance *, uint64_t now_ms); /* a usual one */
bool allowance_has(struct allowance *, uint64_t now_ms);  /* may there be one extra? */
void allowance_spend(struct allowance *, uint64_t now_ms);
bool allowance_take(struct allowance *, uint64_t now_ms); /* both; false: it is used up */

#endif
