/*
 * tracing - which trace a request belongs to, and what its backends hear of it.
 *
 * The backend gets the span of its own try, so each retry has another one.
 */
#ifndef PROXY_TRACING_H
#define PROXY_TRACING_H

#include "client/incoming.h"
#include "config/tracing.h"
#include "policy/facts.h"
#include "proxy/access_log.h"

/* Without the setting nothing; else facts->trace is there. Call when the rest of the facts is. */
void tracing_begin(struct facts_request *, struct incoming *, const struct config *);
/* Another try begins, which is the list's last. */
void tracing_begin_try(struct facts_request *, struct access_try *, const struct config_tracing *);

#endif
