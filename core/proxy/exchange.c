/*
 * The way of a request, which is the order of the functions below:
 *
 *   start --> choose --> try --> forward --> answer --> finish
 *               ^          |        |  '---> tunnel ----^
 *               '-- fail <-'--------'   the only arrow that goes back
 *
 * The states are CHOOSING (also between two tries), CONNECTING, FORWARDING (the
 * request goes out, no final head yet), ANSWERING, TUNNELLING and FINISHED.
 */
#include "proxy/exchange.h"

#include "base/clock.h"
#include "http/forward.h"
#include "proxy/access_log.h"
#include "proxy/answer.h"
#include "proxy/attempt.h"
#include "proxy/choice.h"
#include "proxy/describe.h"
#include "proxy/judge.h"
#include "proxy/reply.h"
#include "proxy/tunnel.h"
#include "proxy/upload.h"

enum {
    RETRY_PAUSE_MS = 10,
    STATUS_CLIENT_GONE = 499,
};

enum exchange_state {
    EXCHANGE_CHOOSING,
    EXCHANGE_CONNECTING,
    EXCHANGE_FORWARDING,
    EXCHANGE_ANSWERING,
    EXCHANGE_TUNNELLING,
    EXCHANGE_FINISHED,
};

struct exchange {
    struct proxy *proxy;
    struct incoming *in;
    enum exchange_state state;
    struct facts_request facts;
    struct facts_decision decision;
    struct attempt attempt;
    struct attempt_failure failure; /* of the last try */
    struct deadline deadline;       /* over all tries */
    struct deadline pause;          /* before a try again */
    struct choice choice;
    struct upload upload;
    struct answer answer;
    struct tunnel tunnel;
    struct slice request_head;
    struct access_record log;
    struct access_try *last_try;
    bool asked_policy;
    bool is_fresh; /* the next try opens a connection of its own */
};

static void exchange_choose(struct exchange *);
static void exchange_try(struct exchange *, struct backend *);
static void exchange_finish(struct exchange *);
static void exchange_reply(struct exchange *, unsigned status, struct slice why);

static void exchange_enter(struct exchange *e, enum exchange_state state)
{
    e->state = state;
}

/* --- start --- */

static void on_request_deadline(struct deadline *);
static void on_pause_over(struct deadline *);
static const struct incoming_events incoming_events;
static const struct attempt_events attempt_events;

static struct exchange *exchange_new(struct proxy *proxy, struct incoming *in)
{
    struct exchange *e = arena_zalloc(&in->arena, sizeof *e);

    e->proxy = proxy;
    e->in = in;
    e->log.script = policy_script_name(proxy->policy);
    in->events = &incoming_events;
    in->owner = e;
    deadline_init(&e->deadline, on_request_deadline);
    deadline_init(&e->pause, on_pause_over);
    attempt_init(&e->attempt, &attempt_events, proxy->loop, &proxy->config->timeouts,
                 &proxy->limits, &in->arena, slice_is(in->parse.head.method, SLICE("HEAD")),
                 in->request.wants_upgrade);
    e->attempt.ends_connection =
        request_ends_connection(in->parse.head.method, in->request.framing, in->request.length);
    e->facts = describe_request(in, proxy->config, proxy->next_id += SEGMENT_WORKERS_MAX);
    choice_init(&e->choice, proxy->backends, &in->arena);
    upload_init(&e->upload, in, &proxy->config->limits);
    answer_init(&e->answer, in);
    return e;
}

static void exchange_refuse_body(struct exchange *e)
{
    e->log.note = "limits.body";
    exchange_reply(e, 413, SLICE("the body is larger than limits.body"));
}

/* Nobody else is asked: this is as far as the request may go (RFC 9110, 7.6.2). */
static void exchange_answer_last_hop(struct exchange *e)
{
    e->log.status = 200;
    e->log.bytes_out = reply_last_hop(e->in);
    exchange_finish(e);
}

void exchange_start(struct proxy *proxy, struct incoming *in)
{
    struct exchange *e = exchange_new(proxy, in);
    uint64_t all_tries_ms = proxy->config->timeouts.request_ms;

    retry_note_request(&proxy->budget, loop_now_ms(proxy->loop));
    if (upload_is_too_large(&e->upload)) {
        exchange_refuse_body(e);
        return;
    }
    if (in->request.has_max_forwards && in->request.max_forwards == 0) {
        exchange_answer_last_hop(e);
        return;
    }
    if (all_tries_ms > 0) {
        deadline_set(proxy->loop, &e->deadline, all_tries_ms);
        e->facts.deadline_ms = (double)e->deadline.at_ms;
    }
    exchange_choose(e);
}

/* --- choose --- */

static void exchange_give_up(struct exchange *e)
{
    if (e->log.note == NULL)
        e->log.note = e->failure.message;
    exchange_reply(e, attempt_failure_status(&e->failure), SLICE(""));
}

static void exchange_respond(struct exchange *e)
{
    e->log.status = e->decision.status;
    e->log.bytes_out = reply_decided(e->in, e->proxy->config, &e->decision);
    exchange_finish(e);
}

static void exchange_choose(struct exchange *e)
{
    struct facts_choice list = choice_list(&e->choice);
    struct facts_decision *d = &e->decision;
    struct backend *backend;

    exchange_enter(e, EXCHANGE_CHOOSING);
    if (list.count == 0 && e->facts.attempts > 1) {
        e->facts.attempts--; /* there is no such one */
        exchange_give_up(e);
        return;
    }
    e->asked_policy = true;
    policy_choose(e->proxy->policy, &e->facts, &list, d);
    e->log.why = d->why;
    e->log.by_fallback |= d->by_fallback;
    if (d->failed) {
        e->log.note = "the script failed";
        exchange_reply(e, 500, SLICE(""));
        return;
    }
    if (d->kind == FACTS_RESPOND) {
        exchange_respond(e);
        return;
    }
    if (d->kind == FACTS_REFUSE) {
        exchange_reply(e, 503, SLICE(""));
        return;
    }
    backend = &e->proxy->backends->list[d->backend];
    if (backend_is_full(backend) || (!attempt_claim(&e->attempt, backend) && list.count > 1)) {
        if (choice_note_tried(&e->choice, d->backend))
            exchange_choose(e); /* one of the others; this one has enough to do */
        else {
            e->log.note = "max_in_flight";
            exchange_reply(e, 503, SLICE(""));
        }
        return;
    }
    exchange_try(e, backend);
}

/* --- try --- */

static void exchange_end_try(struct exchange *e, enum attempt_outcome outcome)
{
    e->last_try->outcome = attempt_outcome_name(outcome);
    e->last_try->us = clock_steady_us() - e->attempt.began_us;
}

static void exchange_try(struct exchange *e, struct backend *backend)
{
    bool fresh = e->is_fresh;

    e->is_fresh = false;
    e->attempt.backend = backend;
    e->last_try =
        access_try_add(&e->in->arena, &e->log.tries, e->last_try, backend->settings->name);
    exchange_enter(e, EXCHANGE_CONNECTING);
    attempt_start(&e->attempt, backend, fresh);
}

static void on_attempt_failed(struct attempt *a, const struct attempt_failure *failure)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    e->failure = *failure;
    exchange_end_try(e, failure->outcome);
    if (e->state == EXCHANGE_ANSWERING) {
        attempt_blame(a, &e->failure);
        e->log.note = failure->message;
        incoming_cut(e->in);
        exchange_finish(e);
        return;
    }
    exchange_enter(e, EXCHANGE_CHOOSING);
    switch (judge_failure(e->proxy, &e->facts, a, &e->failure, e->upload.is_whole, &e->log.note)) {
    case JUDGE_AT_ONCE:
        e->is_fresh = true;
        exchange_try(e, a->backend);
        break;
    case JUDGE_RETRY:
        e->log.retries++;
        e->is_fresh = true;
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

static void on_pause_over(struct deadline *d)
{
    struct exchange *e = list_entry(d, struct exchange, pause);

    exchange_try(e, e->attempt.backend);
}

/* --- forward --- */

/* The same for every backend, but for a request that does not say which host it means. */
static struct slice exchange_request_head(struct exchange *e)
{
    const char *own_host = e->attempt.backend->settings->text;

    if (e->request_head.length == 0 || e->in->request.host.length == 0)
        e->request_head =
            describe_forwarded(e->in, e->proxy->config, &e->facts, slice_of(own_host));
    return e->request_head;
}

static void on_attempt_connected(struct attempt *a)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    exchange_enter(e, EXCHANGE_FORWARDING);
    stream_add(&a->outgoing->stream, exchange_request_head(e));
    upload_begin(&e->upload, a);
}

static bool exchange_is_sending(const struct exchange *e)
{
    return e->attempt.outgoing != NULL &&
           (e->state == EXCHANGE_FORWARDING || e->state == EXCHANGE_ANSWERING);
}

static void on_request_body(struct incoming *in, struct slice piece)
{
    struct exchange *e = in->owner;

    if (upload_is_too_large(&e->upload))
        exchange_refuse_body(e);
    else if (exchange_is_sending(e))
        upload_send(&e->upload, &e->attempt, piece);
    else
        upload_keep(&e->upload, piece);
}

static void on_request_body_end(struct incoming *in)
{
    struct exchange *e = in->owner;

    if (exchange_is_sending(e))
        upload_end(&e->upload, &e->attempt);
}

static void on_attempt_drained(struct attempt *a)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    incoming_resume(e->in);
}

/* --- answer --- */

static void exchange_begin_tunnel(struct exchange *);

static void on_attempt_head(struct attempt *a)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);
    struct incoming *in = e->in;
    unsigned status = a->outgoing->parse.head.status;

    if (status == 101) {
        exchange_begin_tunnel(e);
    } else if (status < 200) {
        answer_interim(&e->answer, a->outgoing);
        if (status != 100 || !in->awaits_continue)
            return;
        in->awaits_continue = false; /* now it is the client's turn */
        attempt_sending(a, false);
        incoming_watch(in);
    } else {
        exchange_enter(e, EXCHANGE_ANSWERING);
        e->log.status = status;
        answer_begin(&e->answer, a->outgoing);
    }
}

static void on_attempt_body(struct attempt *a, struct slice piece)
{
    struct exchange *e = list_entry(a, struct exchange, attempt);

    if (!answer_piece(&e->answer, piece))
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

    answer_end(&e->answer, a->trailers);
    exchange_end_try(e, ATTEMPT_OK);
    exchange_finish(e);
}

/* --- tunnel --- */

static void on_tunnel_over(struct tunnel *t, enum attempt_outcome outcome, const char *note)
{
    struct exchange *e = list_entry(t, struct exchange, tunnel);

    e->answer.bytes = t->bytes_out;
    e->log.note = note;
    exchange_end_try(e, outcome);
    exchange_finish(e);
}

static void exchange_begin_tunnel(struct exchange *e)
{
    struct outgoing *o = e->attempt.outgoing;

    if (!forward_upgrade_agrees(incoming_head(e->in), &o->parse.head)) {
        attempt_refuse(&e->attempt, "an upgrade to what was not offered");
        return;
    }
    exchange_enter(e, EXCHANGE_TUNNELLING);
    deadline_clear(&e->deadline); /* timeouts.request is for what has an end of its own */
    e->log.status = 101;
    answer_switch(&e->answer, o);
    tunnel_begin(&e->tunnel, e->proxy->loop, e->in, &e->attempt,
                 e->proxy->config->timeouts.tunnel_ms, on_tunnel_over);
}

/* --- endings that no backend decides --- */

static void exchange_cancel_attempt(struct exchange *e, enum attempt_outcome outcome)
{
    deadline_clear(&e->pause);
    if (!e->attempt.is_active)
        return;
    exchange_end_try(e, outcome);
    attempt_cancel(&e->attempt);
}

/* Our own answer; the request goes no further. Once some of another answer is out
 * there is only the cut. */
static void exchange_reply(struct exchange *e, unsigned status, struct slice why)
{
    bool says_when = status == 503;

    if (e->state == EXCHANGE_ANSWERING) {
        exchange_cancel_attempt(e, ATTEMPT_CANCELLED);
        incoming_cut(e->in);
        exchange_finish(e);
        return;
    }
    exchange_cancel_attempt(e, status == 504 ? ATTEMPT_TIMEOUT : ATTEMPT_CANCELLED);
    e->log.status = status;
    e->log.bytes_out =
        reply_error(e->in, e->proxy->config, status, why, says_when ? e->proxy->retry_after_s : 0);
    exchange_finish(e);
}

static void on_request_deadline(struct deadline *d)
{
    struct exchange *e = list_entry(d, struct exchange, deadline);

    e->log.note = "timeouts.request";
    exchange_reply(e, 504, SLICE(""));
}

static void on_request_body_failed(struct incoming *in, enum incoming_fault fault, const char *text)
{
    struct exchange *e = in->owner;

    e->log.note = text;
    in->closes = true;
    exchange_reply(e, describe_fault(fault), slice_of(text));
}

static void on_client_gone(struct incoming *in)
{
    struct exchange *e = in->owner;

    exchange_cancel_attempt(e, ATTEMPT_CANCELLED);
    if (!in->is_cut)
        e->log.status = STATUS_CLIENT_GONE;
    else if (e->state != EXCHANGE_ANSWERING)
        e->log.status = 503;
    e->log.note = incoming_why_gone(in);
    exchange_finish(e);
}

void exchange_refuse(struct proxy *proxy, struct incoming *in, enum incoming_fault fault,
                     const char *text)
{
    struct exchange *e = exchange_new(proxy, in);

    e->log.note = text;
    exchange_reply(e, describe_fault(fault), slice_of(text));
}

/* --- finish --- */

static void exchange_finish(struct exchange *e)
{
    CHECK(e->state != EXCHANGE_FINISHED);
    exchange_enter(e, EXCHANGE_FINISHED);
    deadline_clear(&e->deadline);
    deadline_clear(&e->pause);
    attempt_cancel(&e->attempt);
    upload_dispose(&e->upload);
    if (e->asked_policy)
        policy_forget(e->proxy->policy, &e->facts);
    if (e->answer.bytes > 0)
        e->log.bytes_out = e->answer.bytes;
    describe_end(&e->log, e->in, &e->facts, e->last_try ? &e->attempt : NULL);
    access_log_write(&e->log);
    proxy_count_request(e->proxy);
    if (!e->in->is_done)
        incoming_done(e->in);
}

static const struct incoming_events incoming_events = {
    .on_body = on_request_body,
    .on_body_end = on_request_body_end,
    .on_body_failed = on_request_body_failed,
    .on_drained = on_client_drained,
    .on_gone = on_client_gone,
};

static const struct attempt_events attempt_events = {
    .on_connected = on_attempt_connected,
    .on_head = on_attempt_head,
    .on_body = on_attempt_body,
    .on_end = on_attempt_end,
    .on_drained = on_attempt_drained,
    .on_failed = on_attempt_failed,
};
