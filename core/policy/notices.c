/*
 * The hooks that no request waits for: health and on_health in the monitor, on_done, and the
 * functions of ctx:finally and of timers.
 */
#include "base/list.h"
#include "lua/place.h"
#include "policy/policy_inside.h"

/* "the check in balancer.lua:12 failed: ..", in the request's arena. */
static struct slice policy_why_check_failed(struct policy *p, enum breach breach)
{
    struct buffer message = {0}, why = {0};
    struct slice text, copy;
    unsigned line;

    script_explain(p->script, HOOK_HEALTH, breach, &message, &line);
    text = buffer_slice(&message);
    if (place_begins(text, p->config->script_path, &text)) /* ":12: ..", whose line is known */
        for (int colons = 0; colons < 2; colons++)
            slice_take_until(&text, ':');
    buffer_printf(&why, "the check in %s:%u failed:%s%.*s", p->breaches.script_name, line,
                  text.length > 0 && text.start[0] == ' ' ? "" : " ", (int)text.length, text.start);
    if (breach == BREACH_WRONG)
        buffer_append(&why, p->call.wrong);
    copy = arena_copy(p->call.request->arena, buffer_slice(&why));
    buffer_dispose(&message);
    buffer_dispose(&why);
    return copy;
}

static void policy_end_health(struct policy *p, const struct policy_question *q, enum breach breach,
                              double answer)
{
    struct facts_check *out = q->out;

    if (breach == BREACH_NONE && answer != 0 && answer != 1)
        breach = BREACH_WRONG;
    *out = (struct facts_check){breach == BREACH_NONE && answer == 1, p->call.wrong};
    if (breach != BREACH_NONE) { /* a good one ends no trial: a parked script is asked, too */
        out->reason = policy_why_check_failed(p, breach);
        policy_note_breach(p, HOOK_HEALTH, breach);
    }
}

/* Of a hook whose answer means nothing. */
static void policy_end_notice(struct policy *p, const struct policy_question *q, enum breach breach,
                              double answer)
{
    (void)answer;
    policy_settle(p, q->hook, breach);
}

/* --- in the monitor --- */

enum policy_progress policy_health(struct policy *p, struct policy_call *call,
                                   struct facts_request *request, uint32_t backend,
                                   struct facts_check *out)
{
    policy_begin_call(p, request);
    p->call.backend = backend;
    return policy_ask(
        p, call, policy_end_health,
        (struct policy_question){.hook = HOOK_HEALTH, .request = request, .out = out});
}

enum policy_progress policy_on_health(struct policy *p, struct policy_call *call, uint32_t backend,
                                      bool is_up, struct slice reason)
{
    call->failure = (struct facts_failure){.kind = is_up, .message = reason};
    policy_begin_call(p, NULL);
    p->call.backend = backend;
    p->call.failure = &call->failure;
    return policy_ask(p, call, policy_end_notice, (struct policy_question){.hook = HOOK_ON_HEALTH});
}

/* --- a request is over --- */

enum policy_progress policy_on_done(struct policy *p, struct policy_call *call,
                                    struct facts_request *request,
                                    const struct facts_result *result)
{
    if (!policy_may_ask(p, HOOK_ON_DONE, request))
        return POLICY_DONE;
    policy_begin_call(p, request);
    p->call.result = result;
    return policy_ask(p, call, policy_end_notice,
                      (struct policy_question){.hook = HOOK_ON_DONE, .request = request});
}

/* --- ctx:finally --- */

/* A script that is parked still gives back what it has taken. */
void policy_finish(struct policy *p, struct facts_request *request,
                   const struct facts_result *result)
{
    uint32_t count = request->finals;

    request->finals = FACTS_FINALS_CALLED;
    if (count == 0 || count == FACTS_FINALS_CALLED || !script_has(p->script, HOOK_FINALLY))
        return;
    script_make_final(p->script, true);
    for (uint32_t i = count; i > 0; i--) {
        struct script_run run = {0};
        enum breach breach;
        double ignored;

        policy_begin_call(p, request);
        p->call.result = result;
        p->call.final = i;
        breach = script_call(p->script, &run, HOOK_FINALLY, &ignored);
        CHECK(breach != BREACH_PENDING);
        if (breach != BREACH_NONE) {
            /* A good one counts for nothing, or it would keep up a script whose choose fails. */
            (void)breaches_may_call(&p->breaches, request->client, false, p->calls);
            policy_note_breach(p, HOOK_FINALLY, breach);
        }
        policy_end_call(p);
    }
    script_make_final(p->script, false);
}

/* --- timers --- */

static void end_timer(struct policy *p, struct timer *timer, enum breach breach)
{
    policy_settle(p, HOOK_TIMER, breach);
    policy_end_call(p);
    timer_over(timer);
}

static void on_timer_over(struct script_run *run, enum breach breach, double answer)
{
    struct timer *timer = list_entry(run, struct timer, run);

    (void)answer;
    end_timer(list_entry(timer->timers, struct policy, timers), timer, breach);
}

void policy_run_timer(struct timers *timers, struct timer *timer)
{
    struct policy *p = list_entry(timers, struct policy, timers);
    enum breach breach;
    double answer;

    if (!policy_may_ask(p, HOOK_TIMER, NULL)) { /* the script is parked */
        timer_over(timer);
        return;
    }
    policy_begin_call(p, NULL);
    p->call.timer = timer->number;
    timer->run.on_over = on_timer_over;
    breach = script_call(p->script, &timer->run, HOOK_TIMER, &answer);
    if (breach != BREACH_PENDING)
        end_timer(p, timer, breach);
}
