/*
 * done - the script's on_done hears of a request that is over.
 *
 * What it is shown is a copy: the request's own memory is gone by then, and its
 * client, who waits for nothing, may have sent the next one.
 */
#ifndef PROXY_DONE_H
#define PROXY_DONE_H

#include "policy/facts.h"
#include "proxy/plan.h"

/* Calls on_done in an event of its own, when what was sent is on its way. Takes the request's vars;
 * copies the rest. Call only if policy_has_on_done. */
void done_tell(struct plan *, struct facts_request *, const struct facts_result *);
/* The plan ends now: those that were not called yet are called, those that await are thrown away. */
void done_finish_all(struct plan *);

#endif
