#include "policy/policy.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "dial/kept.h"
#include "http/head.h"
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

enum policy_progress policy_wait(struct policy *p, struct policy_call *call, enum hook hook,
                                 struct facts_request *request,
                                 void (*over)(struct script_run *, enum breach, double))
{
    call->policy = p;
    call->hook = hook;
    call->request = request;
    call->number = p->calls;
    call->run.on_over = over;
    policy_end_call(p);
    return POLICY_AWAITS;
}

/* --- the built-in rules --- */

/* As balancer.lua does it: a try after the first goes to the neighbour of the one before, and takes
 * no turn, or who comes next would meet the one that fails. */
static void choose_in_turn(struct policy *p, const struct facts_request *request,
                           const struct facts_choice *choice, struct facts_decision *out)
{
    uint32_t place = 0;

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

static inline void policy_begin_time(struct policy_call *call)
{
    call->begun_us = log_wants(LOG_INFO) ? clock_steady_us() : 0;
}

static inline void policy_end_time(struct policy_call *call)
{
    if (call->begun_us != 0)
        call->took_us += clock_steady_us() - call->begun_us;
    call->begun_us = 0;
}

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
    if (answer >= 1 && answer <= p->config->backends_count) {
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

static inline __attribute__((always_inline)) void
policy_end_choose(struct policy *p, const struct facts_request *request,
                  const struct facts_choice *choice, struct facts_decision *out, enum breach breach,
                  double answer)
{
    p->call.decision = NULL;
    if (breach == BREACH_NONE)
        breach = policy_decode(p, answer, out);
    if (__builtin_expect(breach != BREACH_NONE, 0)) {
        policy_note_breach(p, HOOK_CHOOSE, breach);
        policy_answer_for_script(p, request, choice, out);
    } else {
        breaches_note_good(&p->breaches, p->call.number);
    }
    policy_end_call(p);
}

static enum facts_verdict policy_end_on_failure(struct policy *p, struct facts_request *request,
                                                const struct facts_failure *failure,
                                                enum breach breach, double answer)
{
    if (breach == BREACH_NONE && !(answer >= 0 && answer <= DEFAULT_VERDICT))
        breach = BREACH_WRONG;
    if (breach != BREACH_NONE) {
        policy_note_breach(p, HOOK_ON_FAILURE, breach);
        request->by_fallback = 1;
    } else {
        breaches_note_good(&p->breaches, p->call.number);
    }
    policy_end_call(p);
    if (breach != BREACH_NONE || answer == DEFAULT_VERDICT)
        return judge_by_default(p, request, failure);
    return (enum facts_verdict)answer;
}

static enum facts_review policy_end_on_response(struct policy *p, struct facts_request *request,
                                                struct facts_decision *decision, enum breach breach,
                                                double answer)
{
    enum facts_review review = FACTS_PASS;

    p->call.decision = NULL;
    if (breach == BREACH_NONE && answer == BINDING_RESPONDED && decision->status != 0) {
        decision->kind = FACTS_RESPOND;
        review = FACTS_REPLACE;
    } else if (breach == BREACH_NONE && answer >= FACTS_PASS && answer <= FACTS_ELSEWHERE) {
        review = (enum facts_review)answer;
    } else if (breach == BREACH_NONE) {
        breach = BREACH_WRONG;
    }
    if (breach != BREACH_NONE) {
        policy_note_breach(p, HOOK_ON_RESPONSE, breach);
        decision->overrides = NULL; /* some of them, perhaps */
        request->by_fallback = 1;
    } else {
        breaches_note_good(&p->breaches, p->call.number);
    }
    policy_end_call(p);
    return review;
}

/* A call that awaited is over: the request and what it was asked for were kept with it. */
static void on_over(struct script_run *run, enum breach breach, double answer)
{
    struct policy_call *call = list_entry(run, struct policy_call, run);
    struct policy *p = call->policy;

    policy_end_time(call);
    if (call->hook == HOOK_CHOOSE)
        policy_end_choose(p, call->request, &call->choice, call->decision, breach, answer);
    else if (call->hook == HOOK_ON_RESPONSE)
        *call->review = policy_end_on_response(p, call->request, call->decision, breach, answer);
    else
        *call->verdict = policy_end_on_failure(p, call->request, &call->failure, breach, answer);
    call->on_done(call);
}

/* The list may be another one by then. */
static void policy_keep_choice(struct policy_call *call, struct facts_request *request,
                               const struct facts_choice *choice)
{
    size_t bytes = choice->count * sizeof *choice->backends;

    call->choice = *choice;
    call->choice.backends =
        (const uint32_t *)(const void *)arena_copy(
            request->arena, (struct slice){(const char *)choice->backends, bytes})
            .start;
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
    enum breach breach;
    double answer = 0;

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
    policy_begin_time(call);
    breach = script_call(p->script, &call->run, HOOK_CHOOSE, &answer);
    if (__builtin_expect(breach != BREACH_PENDING, 1)) {
        policy_end_time(call);
        policy_end_choose(p, request, choice, out, breach, answer);
        return POLICY_DONE;
    }
    call->decision = out;
    policy_keep_choice(call, request, choice);
    return policy_wait(p, call, HOOK_CHOOSE, request, on_over);
}

enum policy_progress policy_on_failure(struct policy *p, struct policy_call *call,
                                       struct facts_request *request, uint32_t backend,
                                       const struct facts_failure *failure, enum facts_verdict *out)
{
    double answer = DEFAULT_VERDICT;
    enum breach breach;

    if (!script_has(p->script, HOOK_ON_FAILURE)) {
        *out = judge_by_default(p, request, failure);
        return POLICY_DONE;
    }
    if (!policy_may_ask(p, HOOK_ON_FAILURE, request)) {
        request->by_fallback = 1;
        *out = judge_by_default(p, request, failure);
        return POLICY_DONE;
    }
    policy_begin_call(p, request);
    p->call.backend = backend;
    p->call.failure = failure;
    policy_begin_time(call);
    breach = script_call(p->script, &call->run, HOOK_ON_FAILURE, &answer);
    if (breach != BREACH_PENDING) {
        policy_end_time(call);
        *out = policy_end_on_failure(p, request, failure, breach, answer);
        return POLICY_DONE;
    }
    call->verdict = out;
    call->failure = *failure;
    return policy_wait(p, call, HOOK_ON_FAILURE, request, on_over);
}

bool policy_has_on_response(const struct policy *p)
{
    return script_has(p->script, HOOK_ON_RESPONSE);
}

enum policy_progress policy_on_response(struct policy *p, struct policy_call *call,
                                        struct facts_request *request, uint32_t backend,
                                        const struct head *response,
                                        struct facts_decision *decision, enum facts_review *out)
{
    bool by_fallback = decision->by_fallback;
    enum breach breach;
    double answer = 0;

    *decision = (struct facts_decision){.by_fallback = by_fallback};
    *out = FACTS_PASS;
    if (!script_has(p->script, HOOK_ON_RESPONSE) || !policy_may_ask(p, HOOK_ON_RESPONSE, request))
        return POLICY_DONE;
    policy_begin_call(p, request);
    p->call.backend = backend;
    p->call.response = response;
    p->call.status = response->status;
    p->call.decision = decision;
    p->call.fields_room = 0;
    policy_begin_time(call);
    breach = script_call(p->script, &call->run, HOOK_ON_RESPONSE, &answer);
    if (breach != BREACH_PENDING) {
        policy_end_time(call);
        *out = policy_end_on_response(p, request, decision, breach, answer);
        return POLICY_DONE;
    }
    call->decision = decision;
    call->review = out;
    return policy_wait(p, call, HOOK_ON_RESPONSE, request, on_over);
}

void policy_cancel(struct policy_call *call)
{
    if (script_awaits(&call->run))
        breaches_forget_call(&call->policy->breaches, call->number);
    script_cancel(&call->run);
    policy_end_time(call);
}

void policy_forget(struct policy *p, struct facts_request *request)
{
    if (request->vars == 0)
        return;
    script_forget_vars(p->script, request->vars);
    request->vars = 0;
}

/* --- start and stop --- */

static double deadline_ms(const void *facts)
{
    const struct binding_call *call = facts;

    return call->request != NULL ? call->request->deadline_ms : 0;
}

static void push_hooks(lua_State *lua, void *facts)
{
    struct policy *p = list_entry(facts, struct policy, call);

    bindings_push_hooks(lua, p->config, p->breaches.segment, &p->call);
    timers_offer(&p->timers, lua);
}

struct policy *policy_new(const struct config *config, struct segment *segment, struct loop *loop,
                          unsigned worker, struct buffer *error)
{
    struct policy *p = mem_zalloc(sizeof *p);
    bool in_monitor = worker == POLICY_IN_MONITOR;

    p->config = config;
    links_set_limit(config->script_limits.connections);
    breaches_init(&p->breaches, config, segment, in_monitor ? NULL : loop,
                  in_monitor ? 0 : worker); /* where it only adds atomically */
    p->turn = counters_find(segment, SLICE("lb:round_robin"));
    CHECK(p->turn != NULL); /* the first name of all, taken when the settings were loaded */
    timers_init(&p->timers, loop, policy_run_timer);
    p->timers.runs_once_only = in_monitor;
    p->script = script_new(
        config, segment, loop,
        &(struct script_owner){{&p->call, sizeof p->call, deadline_ms}, push_hooks}, error);
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

void policy_retire(struct policy *p)
{
    timers_retire(&p->timers);
}

void policy_let_go(struct policy *p)
{
    timers_dispose(&p->timers);
    script_close(p->script);
    p->has_let_go = true;
}

bool policy_has_script(const struct policy *p)
{
    return !p->has_let_go;
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
