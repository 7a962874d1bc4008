/*
 * retry - may this request go out again? Pure.
 */
#ifndef PROXY_RETRY_H
#define PROXY_RETRY_H

#include <stdbool.h>

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

#endif
