/*
 * policy_inside - a policy as policy.c sees it, which makes the calls that a request waits for, and
 * notices.c, which makes the others.
 */
#ifndef POLICY_POLICY_INSIDE_H
#define POLICY_POLICY_INSIDE_H

#include "base/clock.h"
#include "base/log.h"
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
    uint32_t backends_max; /* their numbers are up to it */
    bool is_behind;        /* policy_follow had no memory */
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

/* A call is over; policy_end_call follows. Was it a good one? */
static inline bool policy_settle(struct policy *p, enum hook hook, enum breach breach)
{
    p->call.decision = NULL;
    if (__builtin_expect(breach != BREACH_NONE, 0))
        policy_note_breach(p, hook, breach);
    else
        breaches_note_good(&p->breaches, p->call.number);
    return breach == BREACH_NONE;
}

static inline void policy_begin_time(struct policy_call *call)
{
    call->is_timed = totals_times_call();
    call->begun_us = call->is_timed || log_wants(LOG_INFO) ? clock_steady_us() : 0;
}

static inline void policy_end_time(struct policy_call *call, enum hook hook)
{
    uint64_t us;

    if (call->begun_us == 0)
        return;
    us = clock_steady_us() - call->begun_us;
    call->took_us += us;
    call->begun_us = 0;
    if (call->is_timed)
        totals_add_call(hook, us);
}

/* The hook awaits: on_over will hear of its end. The call has its question and end. */
enum policy_progress policy_wait(struct policy *, struct policy_call *);

/* Calls the hook, whose arguments are in p->call. Inlined, each caller's question is known to the
 * compiler, and nothing of it is written to memory unless the hook awaits. */
static inline __attribute__((always_inline)) enum policy_progress
policy_ask(struct policy *p, struct policy_call *call, policy_end *end, struct policy_question q)
{
    bool is_timed =
        q.hook == HOOK_CHOOSE || q.hook == HOOK_ON_FAILURE || q.hook == HOOK_ON_RESPONSE;
    double answer = 0;
    enum breach breach;

    if (is_timed)
        policy_begin_time(call);
    breach = script_call(p->script, &call->run, q.hook, &answer);
    if (__builtin_expect(breach == BREACH_PENDING, 0)) {
        call->end = end; /* member by member: in one piece, it would be in memory before */
        call->question.hook = q.hook;
        call->question.request = q.request;
        call->question.choice = q.choice;
        call->question.failure = q.failure;
        call->question.out = q.out;
        return policy_wait(p, call);
    }
    if (is_timed)
        policy_end_time(call, q.hook);
    end(p, &q, breach, answer);
    policy_end_call(p);
    return POLICY_DONE;
}

void policy_run_timer(struct timers *, struct timer *); /* timers->run */

#endif
