/*
 * plan - what a request keeps for its whole life: settings, policy and backends of
 * the script that was current when it began.
 *
 * A worker has one current plan; after a reload the ones before live on until
 * the last exchange that began with them is over, but free what no exchange needs
 * any more (proxy/old_plans.h).
 */
#ifndef PROXY_PLAN_H
#define PROXY_PLAN_H

#include "base/log.h"
#include "http/parse.h"
#include "net/deadline.h"
#include "policy/policy.h"
#include "upstream/backend.h"

/* All plans of a worker, and what they share. */
struct plans {
    struct loop *loop;
    struct segment *segment;
    unsigned worker;
    struct pools *pools;
    struct list_node list; /* the newest last */
    size_t dones_bytes;    /* proxy/done.c: what calls of on_done hold that await something */
};

/* Which requests are kept: proxy/explain.h. */
struct plan_explain {
    unsigned keep; /* 0: none */
    uint64_t slow_us, span_us;
    uint64_t each_us, each_refused_us; /* one in so many us, and the rest of span_us at once */
};

struct plan {
    struct plans *plans;
    const struct config *config;
    struct policy *policy;
    struct backends backends;
    struct parse_limits limits; /* of responses */
    bool takes_body_first;      /* before it asks the policy */
    struct plan_explain explain;
    unsigned retry_after_s;     /* when a backend may be back */
    uint64_t edition;           /* which script it is: later ones have higher numbers */
    struct list_node node;      /* in plans->list */
    struct deadline over;       /* the moment to free it, when nothing of it is on the stack */
    unsigned uses;              /* exchanges, and its being the current one */
    struct list_node exchanges; /* that began with it and are not over */
    struct list_node dones;     /* proxy/done.c: calls of on_done that are not over */
    size_t dones_bytes_max;     /* above it no more of them begin */
    struct log_interval dones_skipped;
    struct config *owned; /* the settings, if they go with it; else NULL */
};

void plans_init(struct plans *, struct loop *, struct segment *, unsigned worker, struct pools *);
/* With one use. Borrows the settings, unless the caller then sets `owned` to them. NULL and a
 * message if the script cannot be loaded. */
struct plan *plan_new(struct plans *, const struct config *, uint64_t edition,
                      struct buffer *error) MUST_USE;
struct plan *plan_use(struct plan *); /* one use more; gives it */
void plan_release(struct plan *);     /* without uses it is freed, in an event of its own */
void plan_free(struct plan *);        /* now; no call of on_done is left (done_finish_all) */

#endif
