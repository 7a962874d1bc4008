/*
 * A connection, from event to event; client/states.c has its states.
 *
 *    bytes --> introduction --> handshake --> head: on_request --> body: on_body, on_body_end
 *                                           ^                        | what came ahead of its turn
 *                                           |                        v
 *                                           '----- on_resume ----- early
 */
#include "client/clients.h"

#include "base/mem.h"
#include "client/admission.h"
#include "client/h2.h"
#include "client/handshake.h"
#include "client/introduction.h"
#include "client/patience.h"

static struct client *client_of(struct stream *s)
{
    return list_entry(s, struct client, stream);
}

/* --- the end --- */

/* The answer is out and no other follows. If the request was read whole and nothing
 * else came, closing is enough; else what we do not read would reset the answer. */
static void client_end(struct client *c)
{
    bool was_read = c->has_ended || (c->incoming->body_complete && early_bytes(c) == 0 &&
                                     !stream_has_bytes(&c->stream));

    if (was_read && stream_backlog(&c->stream) == 0) {
        client_close(c);
        return;
    }
    client_enter(c, CLIENT_LINGERING);
    resting_note(c, CLIENTS_LEAVING);
    stream_shutdown(&c->stream);
    incoming_empty(c->incoming); /* nothing of it is borrowed any more */
    early_drop(c);
    stream_read(&c->stream);
    watch_begin_lingering(c);
}

/* --- reading --- */

static void client_take_head(struct client *c)
{
    struct incoming *in = c->incoming;
    enum request_fault fault = request_check(&in->parse.head, &in->arena, &in->request);

    if (fault == REQUEST_OK && !parse_agrees(&in->parse, in->request.framing, in->request.length))
        fault = REQUEST_BAD_FRAMING;
    if (fault != REQUEST_OK) {
        client_fail_head(
            c, request_fault_status(fault) == 501 ? INCOMING_NOT_IMPLEMENTED : INCOMING_BAD,
            request_fault_text(fault, &in->parse.head));
        return;
    }
    in->body_complete = !in->parse.has_body;
    if (c->is_refused) {
        client_fail_head(c, INCOMING_TOO_MANY, "more connections than limits.per_client");
        return;
    }
    if (!admission_admits_request(in)) {
        client_fail_head(c, INCOMING_TOO_MANY, "more requests than limits.per_client_requests");
        return;
    }
    client_enter(c, CLIENT_BUSY);
    in->awaits_continue = in->parse.has_body && in->parse.head.version == VERSION_1_1 &&
                          head_lists(&in->parse.head, FIELD_EXPECT, SLICE("100-continue"));
    if (!head_keeps_alive(&in->parse.head))
        in->closes = true;
    in->is_first = !c->has_served;
    c->has_served = true;
    client_watch(c);
    c->clients->events->on_request(c->clients, in);
}

static void client_unpause(struct client *c)
{
    c->is_paused = false;
    stream_read(&c->stream);
}

static void client_take_end(struct client *c)
{
    struct incoming *in = c->incoming;
    bool was_complete = in->body_complete;

    in->body_complete = true;
    if (c->is_paused)
        client_unpause(c); /* from now on a read shows that the client leaves */
    if (in->is_done)
        client_resume_later(c);
    else if (!was_complete)
        in->events->on_body_end(in);
    if (c->state == CLIENT_BUSY && !was_complete)
        client_watch(c);
}

static void client_take_failure(struct client *c)
{
    struct incoming *in = c->incoming;
    enum incoming_fault fault = client_fault_of(in->parse.error);

    if (c->state == CLIENT_HEAD) {
        client_fail_head(c, fault, in->parse.why);
        return;
    }
    in->closes = true;
    if (in->is_done)
        client_resume_later(c);
    else
        incoming_fail_body(in, fault, in->parse.why);
}

/* Reads one request at most; gives how many of the bytes were used. What is behind
 * its end waits for its turn. */
static size_t client_feed(struct client *c, struct slice bytes)
{
    bool was_resting = client_is_resting(c);
    size_t total = 0;

    if (c->state == CLIENT_IDLE) {
        incoming_new(c);
        client_enter(c, CLIENT_HEAD);
    }
    if (was_resting)
        c->incoming->began_us = loop_event_us(c->stream.loop);
    while (c->state == CLIENT_HEAD || c->state == CLIENT_BUSY) {
        struct incoming *in = c->incoming;
        size_t used;
        enum parse_step step;

        if (in->parse.has_head && (in->body_complete || in->parse.error != PARSE_OK))
            break;
        if (total == bytes.length)
            break;
        step = parse_feed(&in->parse, slice_from(bytes, total), &used);
        total += used;
        if (step == PARSE_FAILED) {
            client_take_failure(c);
            return bytes.length;
        }
        CHECK(step != PARSE_MORE || used > 0);
        if (step == PARSE_MORE)
            continue;
        if (step == PARSE_HEAD) {
            in->body_follows = total < bytes.length;
            client_take_head(c);
            in->body_follows = false;
        } else {
            client_take_end(c);
        }
    }
    if (c->state == CLIENT_HEAD && was_resting && !client_is_resting(c) && !c->is_refused)
        client_watch(c);
    return total;
}

/* Feeds what had come ahead of its turn. */
static void client_feed_early(struct client *c)
{
    size_t used = early_bytes(c) > 0 ? client_feed(c, buffer_slice(c->early)) : 0;

    loop_end_event(c->clients->loop); /* pieces of the body may be borrowed from it */
    buffer_consume(c->early, used);
    if (early_bytes(c) == 0)
        early_drop(c);
}

/* More than the owner of the connection reads for now waits in the kernel. */
static void client_hold_back(struct client *c)
{
    if (!early_has_room(c)) {
        stream_pause(&c->stream);
        client_watch(c);
    }
}

/* HTTP/2 or HTTP/1? What comes is kept until that is known. */
static void client_take_preface(struct client *c, struct slice bytes)
{
    enum h2_preface found;

    early_keep(c, bytes);
    found = h2_preface_in(buffer_slice(c->early));
    if (found == H2_PREFACE_WHOLE) {
        h2_client_begin(c);
        h2_client_take(c, buffer_slice(c->early));
        loop_end_event(c->clients->loop); /* it is borrowed */
        early_drop(c);
    } else if (found == H2_PREFACE_NOT) {
        client_enter(c, CLIENT_IDLE);
        client_feed_early(c);
        if (c->state != CLIENT_CLOSING)
            client_hold_back(c);
    }
}

/* Behind the header the first request may be there, whole or in part. */
static void client_take_introduction(struct client *c, struct slice bytes)
{
    early_keep(c, bytes);
    if (!introduction_take(c))
        return;
    client_enter(c, CLIENT_IDLE);
    deadline_set(c->clients->loop, &c->deadline, client_first_head_ms(c->clients));
    client_admit(c);
    if (c->state == CLIENT_PREFACE && early_bytes(c) > 0)
        client_take_preface(c, SLICE(""));
    if (c->state == CLIENT_IDLE)
        client_feed_early(c);
    if (c->state != CLIENT_CLOSING)
        client_hold_back(c);
}

/* States in which what comes is no HTTP/1. */
enum {
    CLIENT_TAKES_ELSE =
        1 << CLIENT_INTRODUCTION | 1 << CLIENT_PREFACE | 1 << CLIENT_H2 | 1 << CLIENT_LINGERING,
};

static void client_take_else(struct client *c, struct slice bytes)
{
    if (c->state == CLIENT_H2)
        h2_client_take(c, bytes);
    else if (c->state == CLIENT_PREFACE)
        client_take_preface(c, bytes);
    else if (c->state == CLIENT_INTRODUCTION)
        client_take_introduction(c, bytes);
}

static void on_bytes(struct stream *s, struct slice bytes)
{
    struct client *c = client_of(s);
    size_t used;

    DCHECK(c->state != CLIENT_CLOSING);
    if ((CLIENT_TAKES_ELSE >> c->state & 1) != 0) {
        client_take_else(c, bytes);
        return;
    }
    if (early_bytes(c) > 0) {
        early_keep(c, bytes);
    } else if (c->state == CLIENT_TUNNEL) {
        incoming_pass(c->incoming, bytes);
        return;
    } else {
        used = client_feed(c, bytes);
        if (c->state == CLIENT_CLOSING)
            return;
        if (c->state == CLIENT_BUSY && !c->incoming->body_complete && !c->incoming->is_done)
            watch_body(c);
        if (used < bytes.length)
            early_keep(c, slice_from(bytes, used));
    }
    client_hold_back(c);
}

static void on_secured(struct stream *s, enum tls_refusal refusal)
{
    struct client *c = client_of(s);

    CHECK(c->state == CLIENT_HANDSHAKE);
    if (refusal != TLS_REFUSED_NOT) {
        handshake_refuse(c);
        return;
    }
    client_enter(c, CLIENT_IDLE);
    if (!c->is_refused)
        deadline_set(c->clients->loop, &c->deadline, client_first_head_ms(c->clients));
    if (slice_is(s->tls->said.alpn, SLICE("h2")))
        h2_client_begin(c);
    else if (c->clients->moving != NULL)
        client_move_soon(c); /* when the bytes behind the handshake are read */
}

/* --- endings --- */

/* What came early is still to be passed, before the end: on_resume does it. */
static void client_pass_end(struct client *c)
{
    struct incoming *in = c->incoming;

    if (!in->is_done && early_bytes(c) == 0 && !list_has_node(&c->resume.node))
        in->events->on_body_end(in);
}

static void on_end(struct stream *s, int status)
{
    struct client *c = client_of(s);

    CHECK(c->state != CLIENT_CLOSING);
    c->has_ended = true;
    if (status == STREAM_CUT && c->state != CLIENT_TUNNEL)
        status = 0; /* its request is complete, or else any end cuts it */
    if (status == 0 && (c->state == CLIENT_BUSY || c->state == CLIENT_TUNNEL))
        stream_keep_alive(s); /* it may wait for long, or be gone */
    if (status == 0 && c->state == CLIENT_TUNNEL)
        client_pass_end(c);
    else if (status == 0 && c->state == CLIENT_BUSY && c->incoming->body_complete)
        watch_begin_probing(c);
    else if (status == 0 && c->state == CLIENT_LINGERING && stream_backlog(s) > 0)
        return; /* the deadline ends it, or the drained queue */
    else if (status == 0 && c->state == CLIENT_H2)
        h2_client_take_end(c);
    else if (c->state == CLIENT_INTRODUCTION)
        introduction_end(c);
    else
        client_close(c);
}

static void on_drained(struct stream *s)
{
    struct client *c = client_of(s);

    CHECK(c->state != CLIENT_CLOSING);
    if (c->state == CLIENT_LINGERING && c->has_ended)
        client_close(c);
    if (c->state == CLIENT_H2)
        h2_client_drained(c);
    if (c->state != CLIENT_BUSY && c->state != CLIENT_TUNNEL)
        return;
    if (!watch_drained(c))
        return;
    if (c->incoming->is_done)
        client_resume_later(c);
    else
        c->incoming->events->on_drained(c->incoming);
}

const struct stream_events client_stream_events = {
    .on_secured = on_secured,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_closed = client_on_closed,
};

/* The bytes that came ahead of their turn were fed: is there more to wait for? */
static void client_continue(struct client *c)
{
    bool lacks = client_is_resting(c) || c->state == CLIENT_HEAD ||
                 (c->state == CLIENT_BUSY && !c->incoming->body_complete);

    if (c->clients->moving != NULL)
        client_move(c);
    if (c->state == CLIENT_CLOSING)
        return;
    if ((c->has_ended && lacks) ||
        (c->clients->is_draining && c->clients->moving == NULL && client_is_resting(c)))
        client_close(c);
    else if (c->has_ended && c->state == CLIENT_BUSY && !c->incoming->is_done)
        watch_begin_probing(c);
    if (client_may_read(c))
        stream_read(&c->stream);
}

/* A tunnel begins: what the client has sent ahead, and then its end if that came, too. */
static void client_pass_early(struct client *c)
{
    if (early_bytes(c) > 0) {
        incoming_pass(c->incoming, buffer_slice(c->early));
        loop_end_event(c->clients->loop); /* it is borrowed */
        early_drop(c);
    }
    if (c->has_ended)
        client_pass_end(c);
    else if (!c->is_paused)
        stream_read(&c->stream);
}

/* The first look at a new connection, whose first request is usually there. If that is all that
 * it sends, and it is answered soon, the loop never has to watch the socket (client_watch). */
static void client_look(struct client *c)
{
    c->is_new = false;
    stream_read_first(&c->stream);
    if (c->clients->moving != NULL && c->state != CLIENT_CLOSING)
        client_move(c);
    if (client_may_read(c) && !(c->state == CLIENT_BUSY && c->incoming->body_complete))
        stream_read(&c->stream);
}

/* An exchange is over: on to the next request, if there may be one. A tunnel begins, or
 * is over: in->closes was set. */
void client_on_resume(struct deferred *d)
{
    struct client *c = list_entry(d, struct client, resume);
    struct incoming *in = c->incoming;

    if (c->is_new) {
        client_look(c);
        return;
    }
    if (c->state == CLIENT_TUNNEL && !in->is_done) {
        client_pass_early(c);
        return;
    }
    if (c->state != CLIENT_BUSY && c->state != CLIENT_TUNNEL)
        return;
    if (in->closes || in->parse.error != PARSE_OK) {
        client_end(c);
        return;
    }
    stream_flush(&c->stream); /* what is held of the answer is no backlog yet, and may become one */
    if (stream_backlog(&c->stream) > 0) {
        client_watch(c);
        return; /* on_drained comes back here */
    }
    if (!in->body_complete) {
        client_unpause(c);
        client_watch(c);
        return; /* the rest of the body is thrown away, then client_take_end comes back */
    }
    incoming_free(c);
    client_enter(c, CLIENT_IDLE);
    resting_note(c, CLIENTS_IDLE);
    deadline_set(c->clients->loop, &c->deadline,
                 patience_ms(PATIENCE_RESTING, &c->clients->timeouts));
    if (early_bytes(c) > 0)
        client_feed_early(c);
    client_continue(c);
}

void client_resume_later(struct client *c)
{
    loop_defer(c->clients->loop, &c->resume);
}

void client_switch(struct client *c)
{
    CHECK(c->state == CLIENT_BUSY);
    client_enter(c, CLIENT_TUNNEL);
    client_watch(c);
    client_resume_later(c);
}
