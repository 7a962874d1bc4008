/*
 * done - the calls of a script for a request that is over: ctx:finally, then on_done.
 *
 * It reads the request's own memory. Only if it awaits something, or that memory goes before it was
 * called, does it get a copy, DONE_COPY_BYTES at most: its client waits for nothing, and may have
 * sent the next request.
 */
#ifndef PROXY_DONE_H
#define PROXY_DONE_H

#include "client/incoming.h"
#include "policy/facts.h"
#include "proxy/plan.h"

enum { DONE_COPY_BYTES = 8192 }; /* of texts and fields */

/* Calls what ctx:finally was given, and on_done if that is wanted, in an event of its own, when
 * what was sent is on its way. Takes the request's vars. */
void done_call_later(struct plan *, struct incoming *, struct facts_request *,
                     const struct facts_result *, bool calls_on_done);
/* The plan ends now: a call that has not begun is made, a call that awaits is thrown away. */
void done_finish_all(struct plan *);

#endif
