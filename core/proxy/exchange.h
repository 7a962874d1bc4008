/*
 * exchange - the story of one request: choose, connect, forward, answer, finish.
 *
 * Begins with a request's head and ends in exchange_finish, whichever side failed
 * first. It lives in the incoming's arena and goes with it.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "client/incoming.h"
#include "config/config.h"
#include "policy/policy.h"
#include "proxy/retry.h"
#include "upstream/backend.h"

struct proxy { /* what all exchanges of a worker share */
    struct loop *loop;
    const struct config *config;
    struct segment *segment;
    struct segment_worker *slot;
    struct backends *backends;
    struct policy *policy;
    struct parse_limits limits; /* of responses */
    struct retry_budget budget;
    uint64_t next_id;
    unsigned retry_after_s; /* when a backend may be back */
};

void proxy_init(struct proxy *, struct loop *, const struct config *, struct segment *,
                unsigned worker, struct backends *, struct policy *);

/* Serves a request whose head is complete. Borrows it until incoming_done. */
void exchange_start(struct proxy *, struct incoming *);
/* Answers one that cannot be served, with the fault's status and the text. */
void exchange_refuse(struct proxy *, struct incoming *, enum incoming_fault, const char *text);

#endif
