/*
 * proxy - what all exchanges of a worker share.
 */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include "config/config.h"
#include "http/parse.h"
#include "policy/policy.h"
#include "proxy/retry.h"
#include "upstream/backend.h"

struct proxy {
    struct loop *loop;
    const struct config *config;
    struct segment *segment;
    struct segment_worker *slot;
    struct backends *backends;
    struct policy *policy;
    struct parse_limits limits; /* of responses */
    struct retry_budget budget;
    uint64_t next_id;       /* of a request; the workers count in different classes */
    unsigned retry_after_s; /* when a backend may be back */
};

/* Borrows everything. */
void proxy_init(struct proxy *, struct loop *, const struct config *, struct segment *,
                unsigned worker, struct backends *, struct policy *);
void proxy_count_request(struct proxy *); /* one more that is over */

#endif
