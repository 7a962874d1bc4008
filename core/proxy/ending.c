/*
 * Whatever ends an exchange comes through exchange_finish: an answer that is complete,
 * one of our own, a deadline, a client that left.
 */
#include "proxy/exchange_inside.h"

#include "base/log.h"
#include "client/reply.h"
#include "config/logging.h"
#include "proxy/describe.h"
#include "proxy/done.h"
#include "shared/backend_numbers.h"

enum { STATUS_CLIENT_GONE = 499 };

/* --- finish --- */

void exchange_end_try(struct exchange *e, enum attempt_outcome outcome)
{
    e->last_try->outcome = attempt_outcome_name(outcome);
    e->last_try->us = loop_event_us(e->proxy->loop) - e->attempt.began_us;
    numbers_note_outcome(e->attempt.backend->all->segment, e->attempt.backend->share, outcome);
}

static void exchange_call_script(struct exchange *e)
{
    const struct access_record *r = &e->log;
    const struct facts_result result = {
        .status = r->status,
        .backend = e->last_try != NULL ? (int32_t)e->attempt.backend->index : -1,
        .ms = (double)r->total_us / 1000,
        .bytes_in = (double)r->bytes_in,
        .bytes_out = (double)r->bytes_out,
        .attempts = r->attempts,
        .retries = r->retries,
        .grpc_status = r->grpc_status,
    };

    done_call_later(e->plan, e->in, &e->facts, &result, e->calls_on_done);
}

static void exchange_write_line(struct exchange *e)
{
    const struct config_log *log = &e->plan->config->log;

    if (!log_wants(LOG_INFO) || e->facts.no_log ||
        (log->skip_count > 0 && logging_skips(log, e->facts.path)))
        return;
    if (log->host || log->headers_count > 0) {
        e->log.more = log;
        e->log.head = incoming_has_head(e->in) ? incoming_head(e->in) : NULL;
        e->log.host = e->facts.host;
    }
    access_log_write(&e->log);
}

static void exchange_leave_spans(struct exchange *e)
{
    tracing_leave_spans(&(struct tracing_end){.facts = &e->facts,
                                              .record = &e->log,
                                              .segment = e->plan->plans->segment,
                                              .slot = e->proxy->worker,
                                              .was_cut = e->was_cut});
}

void exchange_finish(struct exchange *e)
{
    CHECK(e->state != EXCHANGE_FINISHED);
    exchange_enter(e, EXCHANGE_FINISHED);
    deadline_clear(&e->deadline);
    deadline_clear(&e->pause);
    e->log.queue_us += queue_leave(&e->waiter);
    attempt_cancel(&e->attempt);
    buffer_dispose(&e->upload.kept);
    policy_cancel(&e->asked);
    if (e->answer.bytes > 0)
        e->log.bytes_out = e->answer.bytes;
    if (e->facts.grpc != NULL && e->log.grpc_status == GRPC_STATUS_NONE && e->log.status >= 400)
        e->log.grpc_status = (int)grpc_status_of(e->log.status); /* as its client understands it */
    e->log.policy_us = e->asked.took_us;
    describe_end(&e->log, e->in, &e->facts, e->last_try ? &e->attempt : NULL,
                 loop_event_us(e->proxy->loop));
    exchange_write_line(e);
    if (e->calls_on_done || e->facts.finals > 0)
        exchange_call_script(e);
    if (e->asked_policy)
        policy_forget(e->plan->policy, &e->facts);
    proxy_count_request(e->proxy);
    totals_add_request(&(struct totals_request){.status = e->log.status,
                                                .us = e->log.total_us,
                                                .bytes_in = e->log.bytes_in,
                                                .bytes_out = e->log.bytes_out});
    if (e->log.stream != 0)
        totals_add(TOTALS_HTTP2, 1);
    if (e->plan->explain.keep > 0 && !e->facts.no_log)
        explain_request(&e->proxy->explain, e->plan, &e->log);
    if (e->facts.trace != NULL && (e->facts.trace->is_sampled ||
                                   tracing_keeps(&e->log, e->was_cut, &e->plan->config->tracing)))
        exchange_leave_spans(e);
    if (!e->in->is_done)
        incoming_done(e->in);
    list_remove(&e->node);
    plan_release(e->plan);
}

void exchange_cut(struct exchange *e)
{
    if (e->facts.grpc != NULL)
        e->log.grpc_status = GRPC_STATUS_UNAVAILABLE;
    e->was_cut = true;
    incoming_cut(e->in);
    exchange_finish(e);
}

/* --- answers of our own --- */

static void exchange_cancel_attempt(struct exchange *e, enum attempt_outcome outcome)
{
    deadline_clear(&e->pause);
    policy_cancel(&e->asked);
    if (!attempt_is_active(&e->attempt))
        return;
    exchange_end_try(e, outcome);
    attempt_cancel(&e->attempt);
}

void exchange_reply(struct exchange *e, unsigned status, struct slice why)
{
    exchange_reply_later(e, status, why, status == 503 ? e->plan->retry_after_s : 0);
}

void exchange_reply_later(struct exchange *e, unsigned status, struct slice why,
                          unsigned retry_after_s)
{
    if (e->state == EXCHANGE_ANSWERING) {
        exchange_cancel_attempt(e, ATTEMPT_CANCELLED);
        exchange_cut(e);
        return;
    }
    exchange_cancel_attempt(e, status == 504 ? ATTEMPT_TIMEOUT : ATTEMPT_CANCELLED);
    e->log.status = status;
    e->log.bytes_out =
        reply_send(e->in, e->plan->config,
                   &(struct reply){.status = status, .why = why, .retry_after_s = retry_after_s});
    exchange_finish(e);
}

void exchange_end_drain(struct exchange *e)
{
    e->log.note = "discovery.drain";
    if (e->state != EXCHANGE_TUNNELLING) {
        exchange_reply(e, 503, SLICE(""));
        return;
    }
    exchange_cancel_attempt(e, ATTEMPT_CANCELLED);
    exchange_cut(e);
}

void exchange_refuse_body(struct exchange *e)
{
    e->log.note = "limits.body";
    exchange_reply(e, 413, SLICE("the body is larger than limits.body"));
}

/* The policy is asked first: a client that it sends away gets no such answer. */
bool exchange_answer_last_hop(struct exchange *e)
{
    const struct config *config = e->plan->config;
    const struct request *request = &e->in->request;
    bool is_trace = slice_is(e->facts.method, SLICE("TRACE"));

    if (is_trace && !config->trace)
        e->log.status = 405;
    else if (request->has_max_forwards && request->max_forwards == 0) /* RFC 9110, 7.6.2 */
        e->log.status = 200;
    else
        return false;
    e->log.bytes_out = reply_last_hop(e->in, config, e->log.status);
    exchange_finish(e);
    return true;
}

void exchange_give_up(struct exchange *e)
{
    if (e->log.note == NULL)
        e->log.note = e->failure.message;
    exchange_reply(e, attempt_failure_status(&e->failure), SLICE(""));
}

void exchange_respond(struct exchange *e)
{
    const struct facts_decision *d = &e->decision;

    e->log.status = d->status;
    e->log.bytes_out = reply_send(e->in, e->plan->config,
                                  &(struct reply){.status = d->status,
                                                  .body = d->body,
                                                  .fields = d->fields,
                                                  .fields_count = d->fields_count});
    exchange_finish(e);
}

/* --- what ends it from the outside --- */

void exchange_on_deadline(struct deadline *d)
{
    struct exchange *e = list_entry(d, struct exchange, deadline);

    e->log.note = e->deadline_of;
    exchange_reply(e, 504, SLICE(""));
}

void exchange_on_body_failed(struct incoming *in, enum incoming_fault fault, const char *text)
{
    struct exchange *e = in->owner;

    e->log.note = text;
    exchange_reply(e, describe_fault(fault), slice_of(text));
}

void exchange_on_client_gone(struct incoming *in)
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
