/*
 * The way of a call, from the question to its answer:
 *
 *   policy_choose, policy_on_failure, policy_on_response
 *     |
 *     |-- no such hook, or the script is parked --------------------> the built-in rule
 *     v
 *   policy_ask -- returned, or broke off --> end: the answer, or after a breach the built-in rule
 *     |                                       ^
 *     '-- POLICY_AWAITS . . . on_over --------'--> on_done
 */
#include "policy/policy.h"

#include "base/mem.h"
#include "dial/kept.h"
#include "http/head.h"
#include "lua/sandbox.h"
#include "policy/policy_inside.h"
#include "shared/counters.h"

enum { CONNECT_RETRIES = 3, DEFAULT_VERDICT = 3 };

/* --- for policy.c and notices.c --- */

void policy_note_breach(struct policy *p, enum hook hook, enum breach breach)
{
    struct facts_request *request = p->call.request;
    /* It may well be in ctx.vars that the memory is. */
    bool forgets = breach == BREACH_NO_MEMORY && request != NULL && hook != HOOK_FINALLY;
    bool is_owed = forgets && request->finals > 0;

    breaches_note(&p->breaches, p->script, hook, breach,
                  &(struct breaches_call){.id = request != NULL ? request->id : SLICE(""),
                                          .client = request != NULL ? request->client : 0,
                                          .number = p->call.number,
                                          .wrong = p->call.wrong});
    if (forgets && !is_owed)
        policy_forget(p, request);
    if (breach != BREACH_WRONG)
        script_recover(p->script, breach);
    p->list_generation = 0;
    if (is_owed) { /* what ctx:finally was given needs them: now, as they do not stay */
        policy_finish(p, request, NULL);
        policy_forget(p, request);
        request->finals = 0;
    }
}

/* A call that awaited is over. */
static void on_over(struct script_run *run, enum breach breach, double answer)
{
    struct policy_call *call = list_entry(run, struct policy_call, run);

    policy_end_time(call, call->question.hook);
    call->end(call->policy, &call->question, breach, answer);
    policy_end_call(call->policy);
    call->on_done(call);
}

/* What is asked about may be gone, and the list another one, when the call is over. */
static void policy_keep_question(struct policy_call *call)
{
    struct policy_question *q = &call->question;

    if (q->choice != NULL) {
        size_t bytes = q->choice->count * sizeof *q->choice->backends;
        struct slice list = {(const char *)q->choice->backends, bytes};

        call->choice = *q->choice;
        call->choice.backends =
            (const uint32_t *)(const void *)arena_copy(q->request->arena, list).start;
        q->choice = &call->choice;
    }
    if (q->failure != NULL) {
        call->failure = *q->failure;
        q->failure = &call->failure;
    }
}

enum policy_progress policy_wait(struct policy *p, struct policy_call *call)
{
    call->policy = p;
    call->number = p->calls;
    call->run.on_over = on_over;
    policy_keep_question(call);
    return POLICY_AWAITS;
}

/* --- the built-in rules --- */

/* As balancer.lua does it: a try after the first goes to the neighbour of the one before, and takes
 * no turn, or the next request would be sent to the backend that fails. */
static void choose_in_turn(struct policy *p, const struct facts_request *request,
                           const struct facts_choice *choice, struct facts_decision *out)
{
    uint32_t place = 0;

    if (request->compared != NULL)
        *request->compared = (struct facts_compared){.rule = FACTS_RULE_BUILT_IN};
    if (choice->count == 0) {
        out->kind = FACTS_REFUSE;
        out->why = SLICE("no backend is available");
        return;
    }
    out->kind = FACTS_BACKEND;
    if (request->last == 0)
        place = counters_next(p->turn, choice->count) - 1;
    else
        while (place < choice->count && choice->backends[place] < request->last)
            place++;
    out->backend = choice->backends[place < choice->count ? place : 0];
}

static enum facts_verdict judge_by_default(const struct policy *p,
                                           const struct facts_request *request,
                                           const struct facts_failure *failure)
{
    if (failure->kind == FACTS_CONNECT && request->retries < CONNECT_RETRIES)
        return FACTS_RETRY;
    return request->attempts < p->config->limits.attempts ? FACTS_NEXT : FACTS_FAIL;
}

/* --- asking the script --- */

static uint32_t policy_list_for(struct policy *p, const struct facts_choice *choice)
{
    if (choice->generation == 0)
        return BINDING_LIST_ONCE;
    if (choice->generation == p->list_generation)
        return BINDING_LIST_SAME;
    p->list_generation = choice->generation;
    return BINDING_LIST_KEEP;
}

static inline enum breach policy_decode(const struct policy *p, double answer,
                                        struct facts_decision *out)
{
    if (answer >= 1 && answer <= p->backends_max) {
        out->kind = FACTS_BACKEND;
        out->backend = (uint32_t)answer - 1;
    } else if (answer == BINDING_REFUSED) {
        out->kind = FACTS_REFUSE;
    } else if (answer == BINDING_RESPONDED && out->status != 0) {
        out->kind = FACTS_RESPOND;
    } else {
        return BREACH_WRONG;
    }
    return BREACH_NONE;
}

static __attribute__((noinline, cold)) void
policy_answer_for_script(struct policy *p, const struct facts_request *request,
                         const struct facts_choice *choice, struct facts_decision *out)
{
    *out = (struct facts_decision){.by_fallback = p->config->fallback != CONFIG_FALLBACK_FAIL};
    if (p->config->fallback == CONFIG_FALLBACK_FAIL) {
        out->kind = FACTS_REFUSE;
        out->failed = true;
        out->why = SLICE("the script failed");
        return;
    }
    choose_in_turn(p, request, choice, out);
}

/* Its calls have taken too much of this worker's time. */
static __attribute__((noinline, cold)) bool
policy_refuses_client(struct policy *p, const struct facts_request *request,
                      struct facts_decision *out)
{
    if (!costs_has_refused(&p->breaches.costs, request->client, clock_steady_ms()))
        return false;
    out->kind = FACTS_REFUSE;
    out->is_costly = true;
    return true;
}

/* The script awaited something, and what it has chosen then is no more: that is not its fault. */
static __attribute__((noinline, cold)) void policy_choose_another(struct policy *p,
                                                                  const struct policy_question *q)
{
    struct facts_decision *out = q->out;

    *out = (struct facts_decision){.by_fallback = out->by_fallback};
    choose_in_turn(p, q->request, q->choice, out);
}

static inline __attribute__((always_inline)) void policy_end_choose(struct policy *p,
                                                                    const struct policy_question *q,
                                                                    enum breach breach,
                                                                    double answer)
{
    if (breach == BREACH_NONE && answer == BINDING_GONE)
        policy_choose_another(p, q);
    else if (breach == BREACH_NONE)
        breach = policy_decode(p, answer, q->out);
    if (!policy_settle(p, HOOK_CHOOSE, breach))
        policy_answer_for_script(p, q->request, q->choice, q->out);
}

static inline __attribute__((always_inline)) void
policy_end_on_failure(struct policy *p, const struct policy_question *q, enum breach breach,
                      double answer)
{
    enum facts_verdict *out = q->out;

    if (breach == BREACH_NONE && !(answer >= 0 && answer <= DEFAULT_VERDICT))
        breach = BREACH_WRONG;
    if (!policy_settle(p, HOOK_ON_FAILURE, breach))
        q->request->by_fallback = 1;
    if (breach != BREACH_NONE || answer == DEFAULT_VERDICT)
        *out = judge_by_default(p, q->request, q->failure);
    else
        *out = (enum facts_verdict)answer;
}

static inline __attribute__((always_inline)) void
policy_end_on_response(struct policy *p, const struct policy_question *q, enum breach breach,
                       double answer)
{
    struct facts_decision *decision = q->out;
    bool replaces = answer == BINDING_RESPONDED && decision->status != 0;

    if (breach == BREACH_NONE && !replaces && !(answer >= FACTS_PASS && answer <= FACTS_ELSEWHERE))
        breach = BREACH_WRONG;
    if (!policy_settle(p, HOOK_ON_RESPONSE, breach)) {
        decision->overrides = NULL; /* some of them, perhaps */
        q->request->by_fallback = 1;
        return;
    }
    decision->review = replaces ? FACTS_REPLACE : (enum facts_review)answer;
    if (replaces)
        decision->kind = FACTS_RESPOND;
}

/* The next two elements, and all of them in turn. */
static int32_t next_check(int32_t last, uint32_t count)
{
    uint32_t check = (uint32_t)last + 2;

    if (check < count)
        return (int32_t)check;
    return check == count && count > 1 ? (int32_t)count - 1 : 1;
}

enum policy_progress policy_choose(struct policy *p, struct policy_call *call,
                                   struct facts_request *request, const struct facts_choice *choice,
                                   struct facts_decision *out)
{
    bool by_fallback = out->by_fallback;

    *out = (struct facts_decision){.by_fallback = by_fallback};
    if (costs_refuse_any(&p->breaches.costs) && policy_refuses_client(p, request, out))
        return POLICY_DONE;
    if (!script_has(p->script, HOOK_CHOOSE)) {
        if (p->config->has_choose) /* it has been let go */
            policy_answer_for_script(p, request, choice, out);
        else
            choose_in_turn(p, request, choice, out);
        return POLICY_DONE;
    }
    if (!policy_may_ask(p, HOOK_CHOOSE, request)) {
        policy_answer_for_script(p, request, choice, out);
        return POLICY_DONE;
    }
    policy_begin_call(p, request);
    p->call.backends = choice->backends;
    p->call.count = choice->count;
    p->call.check = next_check(p->call.check, choice->count);
    p->call.panic = choice->panic;
    p->call.list = policy_list_for(p, choice);
    p->call.decision = out;
    p->call.fields_room = 0;
    return policy_ask(p, call, policy_end_choose,
                      (struct policy_question){
                          .hook = HOOK_CHOOSE, .request = request, .choice = choice, .out = out});
}

enum policy_progress policy_on_failure(struct policy *p, struct policy_call *call,
                                       struct facts_request *request,
                                       const struct facts_failure *failure, enum facts_verdict *out)
{
    bool has_hook = script_has(p->script, HOOK_ON_FAILURE);

    if (!has_hook || !policy_may_ask(p, HOOK_ON_FAILURE, request)) {
        if (has_hook)
            request->by_fallback = 1;
        *out = judge_by_default(p, request, failure);
        return POLICY_DONE;
    }
    policy_begin_call(p, request);
    p->call.backend = failure->backend;
    p->call.failure = failure;
    return policy_ask(
        p, call, policy_end_on_failure,
        (struct policy_question){
            .hook = HOOK_ON_FAILURE, .request = request, .failure = failure, .out = out});
}

enum policy_progress policy_on_response(struct policy *p, struct policy_call *call,
                                        struct facts_request *request,
                                        const struct facts_response *response,
                                        struct facts_decision *out)
{
    bool by_fallback = out->by_fallback;

    *out = (struct facts_decision){.by_fallback = by_fallback, .review = FACTS_PASS};
    if (!script_has(p->script, HOOK_ON_RESPONSE) || !policy_may_ask(p, HOOK_ON_RESPONSE, request))
        return POLICY_DONE;
    policy_begin_call(p, request);
    p->call.backend = response->backend;
    p->call.response = response->head;
    p->call.status = response->head->status;
    p->call.decision = out;
    p->call.fields_room = 0;
    return policy_ask(
        p, call, policy_end_on_response,
        (struct policy_question){.hook = HOOK_ON_RESPONSE, .request = request, .out = out});
}

void policy_cancel(struct policy_call *call)
{
    if (script_awaits(&call->run))
        breaches_forget_call(&call->policy->breaches, call->number);
    script_cancel(&call->run);
    policy_end_time(call, call->question.hook);
}

void policy_forget(struct policy *p, struct facts_request *request)
{
    if (request->vars == 0)
        return;
    script_forget_vars(p->script, request->vars);
    request->vars = 0;
}

/* --- start and stop --- */

static void push_hooks(lua_State *lua, void *facts)
{
    struct policy *p = list_entry(facts, struct policy, call);

    bindings_push_hooks(lua, p->config, p->breaches.segment, &p->call);
    timers_offer(&p->timers, lua);
    if (p->timers.runs_once_only)
        *sandbox_note(lua, SANDBOX_MONITOR) = p;
}

struct policy *policy_new(const struct config *config, struct segment *segment, struct loop *loop,
                          unsigned worker, struct buffer *error)
{
    struct policy *p = mem_zalloc(sizeof *p);
    bool in_monitor = worker == POLICY_IN_MONITOR;

    p->config = config;
    p->backends_max = config->sources_count > 0 ? SEGMENT_BACKENDS_MAX : config->backends_count;
    links_set_limit(config->script_limits.connections);
    breaches_init(&p->breaches, config, segment, in_monitor ? NULL : loop,
                  in_monitor ? 0 : worker); /* where it only adds atomically */
    p->turn = counters_find(segment, SLICE("lb:round_robin"));
    CHECK(p->turn != NULL); /* the first name of all, taken when the settings were loaded */
    timers_init(&p->timers, loop, policy_run_timer);
    p->timers.runs_once_only = in_monitor;
    p->script = script_new(config, segment, loop,
                           &(struct script_owner){{&p->call, sizeof p->call}, push_hooks}, error);
    if (p->script != NULL)
        return p;
    timers_dispose(&p->timers);
    mem_free(p);
    return NULL;
}

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    timers_dispose(&p->timers);
    script_free(p->script);
    kept_close_all(); /* others of this process open theirs anew */
    mem_free(p);
}

/* --- sources have found others --- */

struct news {
    const struct membership *members;
    unsigned place;
    bool all;
};

static bool follow(lua_State *lua, void *data)
{
    const struct news *news = data;

    return bindings_follow(lua, news->members, news->all);
}

static bool take_away(lua_State *lua, void *data)
{
    const struct news *news = data;

    return bindings_take_away(lua, news->members, news->place);
}

void policy_follow(struct policy *p, const struct membership *members)
{
    p->list_generation = 0;
    if (policy_has_script(p))
        p->is_behind =
            !script_do(p->script, follow, &(struct news){.members = members, .all = p->is_behind});
}

void policy_take_away(struct policy *p, const struct membership *members, unsigned place)
{
    if (policy_has_script(p))
        p->is_behind |=
            !script_do(p->script, take_away, &(struct news){.members = members, .place = place});
}

void policy_retire(struct policy *p)
{
    timers_retire(&p->timers);
}

void policy_let_go(struct policy *p)
{
    timers_dispose(&p->timers);
    script_close(p->script);
}

bool policy_has_script(const struct policy *p)
{
    return script_has(p->script, HOOK_TIMER); /* as each has until it is closed */
}

bool policy_has(const struct policy *p, enum hook hook)
{
    return script_has(p->script, hook);
}

/* For hooks.lua, by name. A hook has returned more than lb reads. True: that is a breach, as those
 * are reported, in a rehearsal; else it is logged. */
bool policy_value_dropped(struct binding_call *call, const char *hook, const char *file,
                          uint32_t line, const char *what)
{
    if (list_entry(call, struct policy, call)->breaches.heard != NULL)
        return true;
    log_event(LOG_WARN, "value_dropped", LOG_PAIRS({"hook", hook}, {"#line", LOG_NUMBER(line)}),
              "%s:%u: %s returned %s, which is lost", file, line, hook, what);
    return false;
}

void policy_on_breach(struct policy *p, void (*heard)(void *owner, enum hook, struct slice message),
                      void *owner)
{
    p->breaches.heard = heard;
    p->breaches.heard_owner = owner;
}

void policy_tick(struct policy *p)
{
    breaches_tick(&p->breaches, p->script);
}

const char *policy_script_name(const struct policy *p)
{
    return p->breaches.script_name;
}
