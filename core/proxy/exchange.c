/*
 * The way of a request, which is the order of the functions below:
 *
 *   start --> choose --> try --> forward --> answer --> finish
 *               ^          |        |  '---> tunnel ----^
 *               '-- fail <-'--------'   the only arrow that goes back
 *
 * proxy/exchange_inside.h has the states; what ends an exchange from the outside, and how it
 * ends, is in proxy/ending.c.
 */
#include "proxy/exchange.h"

#include "http/method.h"
#include "proxy/describe.h"
#include "proxy/exchange_inside.h"
#include "proxy/misdirected.h"

enum { RETRY_PAUSE_MS = 10 };

static void exchange_choose(struct exchange *);
static void exchange_try(struct exchange *, struct backend *, bool fresh);

/* --- start --- */

static void on_room(struct waiter *);
static void on_pause_over(struct deadline *);
static void on_policy_done(struct policy_call *);
static const struct incoming_events incoming_events;
static const struct attempt_events attempt_events;

/* Does the connection to the backend serve this client alone from now on? Its backend may leave the
 * body unread, and take it for the next request. A script that says all are read (CONFIG_REUSE_ALL)
 * seldom means a GET that has one. */
static bool exchange_binds(const struct exchange *e)
{
    return !body_size_is_empty(incoming_body_size(e->in)) &&
           (e->plan->config->reuse == CONFIG_REUSE_SAFE ||
            method_ignores_body(incoming_head(e->in)->method));
}

/* A proxy's connection carries requests of many clients. So a body that many backends leave unread
 * ends the backend's connection there, as no other client may get what it answers next. */
static bool exchange_ends_connection(const struct exchange *e)
{
    return e->facts.is_trusted && !body_size_is_empty(incoming_body_size(e->in)) &&
           method_ignores_body(incoming_head(e->in)->method);
}

static struct exchange *exchange_new(struct proxy *proxy, struct incoming *in)
{
    struct exchange *e = arena_zalloc(&in->arena, sizeof *e);
    struct plan *plan = plan_use(proxy->plan);

    e->proxy = proxy;
    e->plan = plan;
    list_append(&plan->exchanges, &e->node);
    e->in = in;
    e->log.script = policy_script_name(plan->policy);
    in->events = &incoming_events;
    in->owner = e;
    deadline_init(&e->deadline, exchange_on_deadline);
    deadline_init(&e->pause, on_pause_over);
    describe_request(&e->facts, in, plan->config, proxy_new_id(proxy));
    tracing_begin(&e->facts, in, plan->config);
    e->log.grpc_status = GRPC_STATUS_NONE;
    exchange_set_counts(e, (struct try_counts){.attempts = 1, .tries = 1});
    attempt_init(&e->attempt, &attempt_events, proxy->loop, &plan->config->timeouts,
                 &(struct outgoing_request){
                     .limits = &plan->limits,
                     .arena = &in->arena,
                     .bonds = incoming_bonds(in),
                     .answers_head = incoming_is_head(in),
                     .may_switch = in->request.wants_upgrade,
                     .may_repeat = e->facts.idempotent && incoming_body_size(in).kind == BODY_NONE,
                     .binds = exchange_binds(e),
                     .ends_connection = exchange_ends_connection(e),
                 });
    e->asked.on_done = on_policy_done;
    e->judge = (struct judge){.retries = &proxy->retries,
                              .plan = plan,
                              .facts = &e->facts,
                              .counts = &e->counts,
                              .attempt = &e->attempt,
                              .call = &e->asked,
                              .note = &e->log.note};
    e->waiter.on_room = on_room;
    e->choice = (struct choice){.backends = &plan->backends, .arena = &in->arena};
    upload_init(&e->upload, in, &plan->config->limits);
    e->answer = (struct answer){.in = in, .omits_via = !plan->config->via};
    return e;
}

void exchange_start(struct proxy *proxy, struct incoming *in)
{
    struct exchange *e = exchange_new(proxy, in);
    uint64_t all_tries_ms = describe_time_ms(&e->facts, e->plan->config, &e->deadline_of);

    e->calls_on_done = policy_has(e->plan->policy, HOOK_ON_DONE);
    allowance_note(&proxy->retries, loop_now_ms(proxy->loop));
    if (misdirected_is(&e->plan->config->tls, &e->facts)) {
        e->log.note = "this connection gives no access to that host";
        exchange_reply(e, 421, slice_of(e->log.note));
        return;
    }
    if (upload_is_too_large(&e->upload)) {
        exchange_refuse_body(e);
        return;
    }
    if (all_tries_ms > 0) {
        deadline_set(proxy->loop, &e->deadline, all_tries_ms);
        e->facts.deadline_ms = (double)e->deadline.at_ms;
    }
    if (in->body_complete || !e->plan->takes_body_first) {
        exchange_choose(e);
        return;
    }
    if (in->awaits_continue && !in->body_follows)
        incoming_continue(in);
}

void exchange_refuse(struct proxy *proxy, struct incoming *in, enum incoming_fault fault,
                     const char *text)
{
    struct exchange *e = exchange_new(proxy, in);

    e->log.note = text;
    exchange_reply(e, describe_fault(fault), slice_of(text));
}

/* --- choose --- */

static void exchange_follow_decision(struct exchange *);

/* The overrides of the last choose end, but for a deadline, which is for all tries: it can become
 * shorter only, so that it ends even if each choose gives the same one. */
static void exchange_take_overrides(struct exchange *e, struct facts_overrides *overrides)
{
    struct loop *loop = e->proxy->loop;

    if (overrides == NULL && e->attempt.overrides == NULL)
        return;
    attempt_set_overrides(&e->attempt, overrides, &e->plan->config->timeouts);
    if (overrides != NULL && overrides->path.length > 0)
        overrides->path = describe_path(e->in, overrides->path);
    if (overrides == NULL || overrides->deadline_ms == 0 ||
        (deadline_is_set(&e->deadline) &&
         e->deadline.at_ms <= loop_now_ms(loop) + overrides->deadline_ms))
        return;
    deadline_set(loop, &e->deadline, overrides->deadline_ms);
    e->facts.deadline_ms = (double)e->deadline.at_ms;
    e->deadline_of = "the script's deadline";
}

/* There is no backend for it, but there will be if one of those that are full has room. False: none
 * is full, or none is up and they are full of tries, or it may not wait, or not any more. */
static bool exchange_wait(struct exchange *e)
{
    const struct config *config = e->plan->config;
    struct queue *queue = &e->proxy->queue;
    bool waits = e->waiter.queue != NULL;

    if (!e->choice.has_full || config->limits.queue == 0 || e->plan->backends.is_need)
        return false;
    if (waits ? e->waiter.is_late : !queue_has_place(queue, config->limits.queue)) {
        e->log.note = waits ? "timeouts.queue" : "limits.queue";
        return false;
    }
    exchange_enter(e, EXCHANGE_WAITING);
    queue_wait(queue, &e->waiter, &e->choice, config->timeouts.queue_ms);
    return true;
}

static void on_room(struct waiter *w)
{
    struct exchange *e = list_entry(w, struct exchange, waiter);

    CHECK(e->state == EXCHANGE_WAITING);
    exchange_choose(e);
}

static void exchange_choose(struct exchange *e)
{
    struct facts_choice list = choice_list(&e->choice);

    if (list.count == 0 && exchange_wait(e))
        return;
    exchange_enter(e, EXCHANGE_CHOOSING);
    if (list.count == 0 && e->counts.attempts > 1) {
        e->counts.attempts--; /* that attempt never began */
        exchange_set_counts(e, e->counts);
        exchange_give_up(e);
        return;
    }
    if (e->plan->explain.keep > 0)
        explain_choose(&e->facts, &e->log, &list);
    e->asked_policy = true;
    e->choices = list.count;
    if (policy_choose(e->plan->policy, &e->asked, &e->facts, &list, &e->decision) == POLICY_DONE)
        exchange_follow_decision(e);
}

/* To the backend that was chosen, unless it has enough to do, or requests that came before wait for
 * it. The trial of a backend that was ejected may be another request's, but if there is no other
 * backend. */
static void exchange_try_chosen(struct exchange *e)
{
    uint32_t chosen = e->decision.backend;
    struct backend *backend = &e->plan->backends.list[chosen];
    bool is_new;

    e->facts.last = chosen + 1;
    exchange_take_overrides(e, e->decision.overrides);
    if (__builtin_expect(!backend->is_listed, 0)) { /* the policy has awaited something */
        is_new = choice_note_tried(&e->choice, chosen);
    } else if (backend_is_full(backend) || queue_is_before(&e->proxy->queue, &e->waiter, backend)) {
        is_new = choice_note_full(&e->choice, chosen);
    } else if (attempt_claim(&e->attempt, backend) || (e->choices <= 1 && !backend->all->is_need)) {
        exchange_try(e, backend, false);
        return;
    } else {
        is_new = choice_note_claimed(&e->choice, chosen);
    }
    if (is_new) {
        exchange_choose(e); /* one of the others */
    } else if (!exchange_wait(e)) {
        if (e->log.note == NULL)
            e->log.note = "max_in_flight";
        exchange_reply(e, 503, SLICE(""));
    }
}

static void exchange_follow_decision(struct exchange *e)
{
    const struct facts_decision *d = &e->decision;

    e->log.why = d->why;
    e->log.by_fallback |= d->by_fallback;
    if (d->failed) {
        e->log.note = "the script failed";
        exchange_reply(e, 500, SLICE(""));
    } else if (d->kind == FACTS_RESPOND) {
        exchange_respond(e);
    } else if (d->kind == FACTS_REFUSE && d->is_costly) {
        e->log.note = "script.budget_ms: calls for this client took too much time";
        exchange_reply_later(e, 503, SLICE(""), 1);
    } else if (d->kind == FACTS_REFUSE) {
        if (!exchange_wait(e))
            exchange_reply(e, 503, SLICE(""));
    } else if (!e->in->request.may_end_here || !exchange_answer_last_hop(e)) {
        exchange_try_chosen(e);
    }
}

/* --- try --- */

/* fresh: over a connection of its own. */
static void exchange_try(struct exchange *e, struct backend *backend, bool fresh)
{
    e->log.queue_us += queue_leave(&e->waiter);
    exchange_keep_name(e, backend);
    e->attempt.backend = backend;
    e->last_try =
        access_try_add(&e->in->arena, &e->log.tries, e->last_try, backend->settings->name);
    if (e->facts.trace != NULL)
        exchange_begin_span(e);
    e->last_try->compared = e->facts.compared;
    e->facts.compared = NULL; /* another try without a choose has nothing to say */
    exchange_enter(e, EXCHANGE_CONNECTING);
    attempt_start(&e->attempt, backend, fresh);
}

void exchange_follow_judgement(struct exchange *e, enum judgement judgement)
{
    struct attempt *a = &e->attempt;

    exchange_count(e, judgement);
    exchange_note_judgement(e, judgement);
    switch (judgement) {
    case JUDGE_AWAITS:
        break;
    case JUDGE_AT_ONCE:
        exchange_try(e, a->backend, true);
        break;
    case JUDGE_RETRY:
        deadline_set(e->proxy->loop, &e->pause, RETRY_PAUSE_MS);
        break;
    case JUDGE_NEXT:
        choice_note_tried(&e->choice, a->backend->index);
        exchange_choose(e);
        break;
    case JUDGE_FAIL:
        exchange_give_up(e);
        break;
    }
}

static void on_attempt_failed(struct attempt *a, const struct attempt_failure *failure)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    CHECK(e->state >= EXCHANGE_CONNECTING && e->state <= EXCHANGE_SWITCHING);
    e->failure = *failure;
    e->last_try->error = failure->message;
    exchange_end_try(e, failure->outcome);
    if (e->state == EXCHANGE_ANSWERING) {
        attempt_blame(a, &e->failure);
        e->log.note = failure->message;
        exchange_cut(e);
        return;
    }
    policy_cancel(&e->asked); /* it was looking at the response that has failed now */
    exchange_enter(e, EXCHANGE_JUDGING);
    exchange_follow_judgement(e, judge_failure(&e->judge, &e->failure, e->upload.is_whole));
}

static void on_policy_done(struct policy_call *call)
{
    struct exchange *e = list_entry(call, struct exchange, asked);

    CHECK(e->state == EXCHANGE_CHOOSING || e->state == EXCHANGE_REVIEWING ||
          e->state == EXCHANGE_JUDGING);
    if (e->state == EXCHANGE_CHOOSING)
        exchange_follow_decision(e);
    else if (e->state == EXCHANGE_REVIEWING)
        exchange_follow_review(e);
    else
        exchange_follow_judgement(e, judge_decide(&e->judge, &e->failure, e->upload.is_whole));
}

static void on_pause_over(struct deadline *d)
{
    struct exchange *e = list_entry(d, struct exchange, pause);

    CHECK(e->state == EXCHANGE_JUDGING);
    exchange_try(e, e->attempt.backend, true);
}

/* --- forward --- */

static void on_attempt_connected(struct attempt *a)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    exchange_enter(e, EXCHANGE_FORWARDING); /* from CONNECTING only */
    describe_forwarded(a->outgoing, e->in, e->plan->config, &e->facts, a->overrides,
                       slice_of(config_backend_host(a->backend->settings)));
    upload_begin(&e->upload, a);
}

static void on_request_body(struct incoming *in, struct slice piece)
{
    struct exchange *e = in->owner;

    DCHECK(e->state < EXCHANGE_TUNNELLING);
    if (upload_is_too_large(&e->upload))
        exchange_refuse_body(e);
    else if (exchange_is_sending(e))
        upload_send(&e->upload, &e->attempt, piece);
    else if (!upload_keep(&e->upload, piece) && e->state == EXCHANGE_TAKING)
        exchange_choose(e);
}

static void on_request_body_end(struct incoming *in)
{
    struct exchange *e = in->owner;

    DCHECK(e->state < EXCHANGE_TUNNELLING);
    if (exchange_is_sending(e))
        upload_end(&e->upload, &e->attempt);
    if (e->state == EXCHANGE_SWITCHING)
        exchange_begin_tunnel(e);
    else if (e->state == EXCHANGE_TAKING)
        exchange_choose(e);
}

static size_t on_memory_full(struct incoming *in)
{
    struct exchange *e = in->owner;
    const struct outgoing *o = e->attempt.outgoing;

    if (exchange_is_sending(e) && upload_held_bytes(&e->upload) > 0)
        upload_drop(&e->upload);
    return upload_held_bytes(&e->upload) + (o != NULL ? outgoing_held_bytes(o) : 0);
}

static void on_attempt_drained(struct attempt *a)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    DCHECK(exchange_is_sending(e));
    incoming_resume(e->in);
}

/* --- answer --- */

static void exchange_answer(struct exchange *e, const struct field_changes *changes)
{
    struct attempt *a = &e->attempt;

    exchange_enter(e, EXCHANGE_ANSWERING);
    e->log.status = a->outgoing->head->status;
    if (e->facts.grpc != NULL)
        e->log.grpc_status = grpc_status_in(a->outgoing->head);
    answer_begin(&e->answer, a->outgoing, changes);
    a->outgoing->pass_to = incoming_bare(e->in);
}

void exchange_pass_response(struct exchange *e, const struct field_changes *changes)
{
    exchange_answer(e, changes);
    if (e->attempt.outgoing->state == OUTGOING_HELD) /* the policy has awaited something */
        attempt_release(&e->attempt);
}

static void on_attempt_head(struct attempt *a)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);
    struct incoming *in = e->in;
    unsigned status = a->outgoing->head->status;

    DCHECK(e->state == EXCHANGE_FORWARDING);
    if (status == 101) {
        exchange_switch(e);
    } else if (status < 200) {
        answer_interim(&e->answer, a->outgoing, attempt_response_changes(a));
        if (status != 100 || !in->awaits_continue)
            return;
        in->awaits_continue = false; /* now it is the client's turn */
        attempt_sending(a, false);
        incoming_watch(in);
    } else if (policy_has(e->plan->policy, HOOK_ON_RESPONSE)) {
        exchange_review(e);
    } else {
        exchange_answer(e, attempt_response_changes(a));
    }
}

static void on_attempt_body(struct attempt *a, struct slice piece)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    DCHECK(e->state == EXCHANGE_ANSWERING);
    if (!answer_piece(&e->answer, piece))
        attempt_pause(a);
}

static void on_attempt_passed(struct attempt *a, size_t length)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    DCHECK(e->state == EXCHANGE_ANSWERING);
    if (!answer_passed(&e->answer, length))
        attempt_pause(a);
}

static void on_client_drained(struct incoming *in)
{
    struct exchange *e = in->owner;

    if (e->state == EXCHANGE_ANSWERING)
        attempt_resume(&e->attempt);
}

static void on_attempt_end(struct attempt *a)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    DCHECK(e->state == EXCHANGE_ANSWERING);
    if (a->trailers.length > 0 && e->facts.grpc != NULL)
        e->log.grpc_status = grpc_status_in_lines(a->trailers);
    incoming_send_end(e->in, a->trailers);
    exchange_end_try(e, ATTEMPT_OK);
    exchange_finish(e);
}

static const struct incoming_events incoming_events = {
    .on_body = on_request_body,
    .on_body_end = on_request_body_end,
    .on_body_failed = exchange_on_body_failed,
    .on_drained = on_client_drained,
    .on_gone = exchange_on_client_gone,
    .on_memory_full = on_memory_full,
};

static const struct attempt_events attempt_events = {
    .on_connected = on_attempt_connected,
    .on_head = on_attempt_head,
    .on_body = on_attempt_body,
    .on_passed = on_attempt_passed,
    .on_end = on_attempt_end,
    .on_drained = on_attempt_drained,
    .on_failed = on_attempt_failed,
};
