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
#include "discover/members.h"
#include "policy/call.h"
#include "shared/segment.h"

struct policy;

enum { POLICY_IN_MONITOR = UINT32_MAX }; /* in place of a worker's number */

/* Loads the settings' script in a VM of its own and calls its init hook. Borrows
 * all for its life. In the monitor its timers are those with once = true. Without a loop its
 * hooks cannot await. NULL and a message if the script cannot be loaded. */
struct policy *policy_new(const struct config *, struct segment *, struct loop *, unsigned worker,
                          struct buffer *error) MUST_USE;
void policy_free(struct policy *); /* what awaits still is thrown away, in silence */
/* Another script serves new requests: its timers end. */
void policy_retire(struct policy *);
/* After policy_retire, and no call awaits: its Lua state goes. What is asked from now on is
 * answered as if the script had failed. */
void policy_let_go(struct policy *);
bool policy_has_script(const struct policy *); /* policy_let_go was not called */
bool policy_has(const struct policy *, enum hook);

/* Sources have found others: what the script sees of backends follows the members' changes. Never
 * inside a call of it. */
void policy_follow(struct policy *, const struct membership *);
void policy_take_away(struct policy *, const struct membership *,
                      unsigned place); /* it is no more */

/* The request may go to one of these. *out is valid while the request's arena is; it is all
 * zero before a request's first call, and keeps by_fallback over the others. Request and *out are
 * borrowed until the call is over, the list is not. */
enum policy_progress policy_choose(struct policy *, struct policy_call *, struct facts_request *,
                                   const struct facts_choice *, struct facts_decision *out);

/* A try failed: what now? Request and *out are borrowed until the call is over, and so is what the
 * failure's message says. */
enum policy_progress policy_on_failure(struct policy *, struct policy_call *,
                                       struct facts_request *, const struct facts_failure *,
                                       enum facts_verdict *out);

/* What becomes of a response: out->review. Its head, the request and *out are borrowed until the
 * call is over. FACTS_REPLACE: the answer is in *out; else only the overrides are, which apply if
 * the response goes to the client, or NULL. */
enum policy_progress policy_on_response(struct policy *, struct policy_call *,
                                        struct facts_request *, const struct facts_response *,
                                        struct facts_decision *out);

/* A request is over. Both are borrowed until the call is. */
enum policy_progress policy_on_done(struct policy *, struct policy_call *, struct facts_request *,
                                    const struct facts_result *);

/* The request is over, and no call of a hook is under way for it: calls what ctx:finally was given,
 * last first, each once. *result: NULL if it is not known, as the script goes. Comes before
 * policy_on_done and policy_forget. */
void policy_finish(struct policy *, struct facts_request *, const struct facts_result *result);

/* The answer is of no use any more: a call that awaits is thrown away. In any state. */
void policy_cancel(struct policy_call *);

/* How is the backend? Errors are a no, with their text as the reason. The request has nothing but
 * an arena and perhaps a deadline. */
enum policy_progress policy_health(struct policy *, struct policy_call *, struct facts_request *,
                                   uint32_t backend, struct facts_check *out);
/* The script is called with a change. The reason is borrowed until the call is over. */
enum policy_progress policy_on_health(struct policy *, struct policy_call *, uint32_t backend,
                                      bool is_up, struct slice reason);

/* The exchange is over: frees all that the script kept for it (ctx.vars).
 * Call once for each request that policy_choose has seen. */
void policy_forget(struct policy *, struct facts_request *);

/* What goes wrong is reported there, with the script's line, and not logged. */
void policy_on_breach(struct policy *, void (*heard)(void *owner, enum hook, struct slice message),
                      void *owner);
void policy_tick(struct policy *); /* once a second, roughly */

const char *policy_script_name(const struct policy *); /* for the log: "balancer.lua", "built in" */

#endif
