/*
 * tracing - which trace a request belongs to, what its backends hear of it, and the spans that it
 * leaves.
 *
 * The backend gets the span of its own try, so each retry has another one. Whether spans are kept
 * is decided when the request is over: then it is known whether it failed, was tried again or was
 * slow.
 */
#ifndef PROXY_TRACING_H
#define PROXY_TRACING_H

#include "client/incoming.h"
#include "config/tracing.h"
#include "policy/facts.h"
#include "proxy/access_log.h"
#include "shared/segment.h"

/* Without the setting nothing; else facts->trace is there. Call when the rest of the facts is. */
void tracing_begin(struct facts_request *, struct incoming *, const struct config *);
/* Another try begins, which is the list's last. */
void tracing_begin_try(struct facts_request *, struct access_try *, const struct config_tracing *);

struct tracing_end {
    const struct facts_request *facts;
    const struct access_record *record; /* whole */
    struct segment *segment;
    unsigned slot; /* of the worker */
    bool was_cut;  /* some of an answer is out, and no more will be */
};

/* It is over: are its spans kept, though it is not sampled? */
bool tracing_keeps(const struct access_record *, bool was_cut, const struct config_tracing *);
void tracing_leave_spans(const struct tracing_end *);

#endif
