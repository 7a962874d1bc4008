/*
 * describe - a request as the policy and the log see it.
 */
#ifndef PROXY_DESCRIBE_H
#define PROXY_DESCRIBE_H

#include "client/incoming.h"
#include "policy/facts.h"

/* Everything that does not change over the tries; texts are in the incoming's arena. */
struct facts_request describe_request(struct incoming *, uint64_t id);
/* The status for a request that cannot be served. */
unsigned describe_fault(enum incoming_fault);

#endif
