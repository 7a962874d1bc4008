/*
 * policy_inside - a policy as the files of this folder see it: policy.c makes the calls that a
 * request waits for, notices.c those that no request waits for.
 */
#ifndef POLICY_POLICY_INSIDE_H
#define POLICY_POLICY_INSIDE_H

#include "policy/bindings.h"
#include "policy/call.h"
#include "script/breaches.h"
#include "script/script.h"
#include "script/timers.h"

struct policy {
    const struct config *config;
    struct script *script;
    struct binding_call call; /* of the hook that runs */
    double calls;             /* that there were: each has a number of its own */
    uint64_t list_generation; /* of the list that hooks.lua keeps; 0: none */
    struct segment_counter *turn;
    struct breaches breaches;
    struct timers timers;
    bool has_let_go;
};

static inline void policy_begin_call(struct policy *p, struct facts_request *request)
{
    p->call.request = request;
    p->call.has_ctx = request != NULL && request->head != NULL;
    p->call.number = ++p->calls;
    p->call.wrong = (struct slice){"", 0};
}

/* Nothing of an exchange that may end is within the script's reach any more. */
static inline void policy_end_call(struct policy *p)
{
    p->call.request = NULL;
    p->call.failure = NULL;
    p->call.response = NULL;
    p->call.result = NULL;
}

/* May the script be asked, for that request (NULL: for none)? On trial is a call that there is
 * anyway: a hook that is seldom called would leave the script parked. */
static inline bool policy_may_ask(struct policy *p, enum hook hook,
                                  const struct facts_request *request)
{
    bool can_be_trial =
        hook == HOOK_CHOOSE || hook == HOOK_TIMER || !script_has(p->script, HOOK_CHOOSE);

    return breaches_may_call(&p->breaches, request != NULL ? request->client : 0, can_be_trial,
                             p->calls + 1);
}

/* Makes it known, and the script fit for the next call. */
void policy_note_breach(struct policy *, enum hook, enum breach);
/* The hook awaits: on_over will hear of its end, and then tells call->on_done. */
enum policy_progress policy_wait(struct policy *, struct policy_call *, enum hook,
                                 struct facts_request *,
                                 void (*on_over)(struct script_run *, enum breach, double));
void policy_run_timer(struct timers *, struct timer *); /* timers->run */

#endif
