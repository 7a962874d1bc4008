/*
 * retry - may this request go out again? Pure, but for the count of the budget.
 */
#ifndef PROXY_RETRY_H
#define PROXY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_facts {
    bool was_sent;   /* at least a byte of it may have reached a backend */
    bool idempotent; /* by its method (RFC 9110, 9.2.2) */
    bool has_key;    /* it carries Idempotency-Key */
    bool allowed;    /* the policy said ctx:allow_replay() */
    bool body_whole; /* all of the body that was read is still here */
};

/* What no script can talk us out of: a request that may have been acted on is
 * repeated only if that is harmless, and nothing of it is lost. */
bool retry_is_safe(const struct retry_facts *);

/* At most a fraction of the requests of the last ten seconds, and three a second, so
 * that retries cannot turn a slow moment into an outage. */
enum { RETRY_SECONDS = 10 };

struct retry_budget {
    double fraction;
    uint64_t second; /* the newest of the slots */
    uint32_t requests[RETRY_SECONDS], retries[RETRY_SECONDS];
    uint64_t requests_sum, retries_sum;
};

void retry_budget_init(struct retry_budget *, double fraction);
void retry_note_request(struct retry_budget *, uint64_t now_ms);
bool retry_take(struct retry_budget *, uint64_t now_ms); /* false: the budget is used up */

#endif
