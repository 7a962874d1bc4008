/*
 * policy - asks the script, and knows what to do when the script fails.
 *
 * One per worker. A hook that raises an error, runs too long, takes too much
 * memory or returns what it may not is logged with the script's line and
 * counted, and the built-in rule answers in its place: a request never fails
 * because of a script (unless the script says fallback = "fail").
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/buffer.h"
#include "base/check.h"
#include "config/config.h"
#include "policy/facts.h"
#include "shared/segment.h"

struct policy;

/* Loads the settings' script in a VM of its own and calls its init hook. Borrows
 * both for its life. NULL and a message if the script cannot be loaded. */
struct policy *policy_new(const struct config *, struct segment *, unsigned worker,
                          struct buffer *error) MUST_USE;
void policy_free(struct policy *);

/* The request may go to one of these. *out is valid while the request's arena is; it is all
 * zero before a request's first call, and keeps by_fallback over the others. */
void policy_choose(struct policy *, struct facts_request *, const struct facts_choice *,
                   struct facts_decision *out);

/* A try failed: what now? backend is the index it went to. */
enum facts_verdict policy_on_failure(struct policy *, struct facts_request *, uint32_t backend,
                                     const struct facts_failure *);

/* The exchange is over; lets go of whatever the script kept for it (ctx.vars).
 * Call once for each request that policy_choose has seen. */
void policy_forget(struct policy *, struct facts_request *);

void policy_tick(struct policy *); /* once a second, roughly */

const char *policy_script_name(const struct policy *); /* for the log: "balancer.lua", "built in" */

#endif
