/*
 * The states of a connection:
 *
 *    IDLE --first byte--> HEAD --head complete--> BUSY --answered, request read--> IDLE
 *      |                    |                      |
 *      '--------------------+-------- closes ------+--> LINGERING --> CLOSING
 *
 * BUSY ends when the exchange is done and the request has been read to its end. In
 * LINGERING the answer is out, our side is shut, and what still comes is thrown
 * away, so that no reset destroys the answer on its way (RFC 9112, 9.6).
 */
#include "client/client.h"

#include "base/clock.h"
#include "base/mem.h"

enum {
    EARLY_BYTES_MAX = LOOP_READ_BYTES, /* of requests sent ahead of their turn */
    LINGER_MS = 2000,
    IDLE_LINGERS_MAX = 30, /* a minute in which a client takes nothing */
    DRAIN_GRACE_MS = 300,
    PROBE_FIRST_MS = 5, /* a reset needs a round trip */
    PROBE_AGAIN_MS = 500,
};

static const struct stream_events stream_events;
static void on_resume(struct deferred *);
static void on_deadline(struct deadline *);
static void client_probe(struct client *, uint64_t again_ms);

static struct client *client_of(struct stream *s)
{
    return list_entry(s, struct client, stream);
}

static void client_enter(struct client *c, enum client_state state)
{
    c->state = (uint8_t)state;
}

/* --- closing --- */

static void on_closed(struct stream *s)
{
    struct client *c = client_of(s);

    deadline_clear(&c->deadline);
    deferred_cancel(&c->resume);
    if (c->incoming != NULL)
        incoming_free(c);
    buffer_dispose(&c->early);
    clients_forget(c->clients, c);
    mem_free(c);
}

/* Tells the exchange, if there is one that still cares. */
static void client_tell_gone(struct client *c)
{
    struct incoming *in = c->incoming;

    if (in != NULL && !in->is_done && in->events != NULL)
        in->events->on_gone(in);
}

void client_close(struct client *c)
{
    if (c->state == CLIENT_CLOSING)
        return;
    client_enter(c, CLIENT_CLOSING);
    deadline_clear(&c->deadline);
    client_tell_gone(c);
    stream_close(&c->stream);
}

void client_reset(struct client *c)
{
    if (c->state == CLIENT_CLOSING)
        return;
    client_enter(c, CLIENT_CLOSING);
    deadline_clear(&c->deadline);
    client_tell_gone(c);
    stream_reset(&c->stream);
}

/* Lingers on while the client takes what is still on its way to it, and then a while for
 * its end; what it sends meanwhile is thrown away. */
static void client_linger(struct client *c)
{
    uint64_t patience_ms = c->clients->timeouts->response_body_ms;
    uint32_t unsent = stream_unsent(&c->stream);
    bool took_nothing = unsent == c->watched_bytes;

    c->idle_lingers = took_nothing ? c->idle_lingers + 1 : 0;
    if (took_nothing && (unsent == 0 || c->idle_lingers == IDLE_LINGERS_MAX ||
                         (uint64_t)c->idle_lingers * LINGER_MS > patience_ms)) {
        client_close(c);
        return;
    }
    c->watched_bytes = unsent;
    deadline_set(c->clients->loop, &c->deadline, LINGER_MS);
}

/* The answer is out and no other follows. If the request was read whole and nothing
 * else came, closing is enough; else what we do not read would reset the answer. */
static void client_end(struct client *c)
{
    bool read_whole = c->incoming == NULL || c->incoming->body_complete;

    bool was_read = c->has_ended ||
                    (read_whole && buffer_length(&c->early) == 0 && !stream_is_stale(&c->stream));

    if (was_read && stream_backlog(&c->stream) == 0) {
        client_close(c);
        return;
    }
    client_enter(c, CLIENT_LINGERING);
    stream_shutdown(&c->stream);
    stream_read(&c->stream);
    c->watched_bytes = UINT32_MAX;
    client_linger(c);
}

/* --- time --- */

/* Between two requests; empty lines are no beginning of one. */
static bool client_is_resting(const struct client *c)
{
    return c->state == CLIENT_IDLE ||
           (c->state == CLIENT_HEAD && parse_is_at_start(&c->incoming->parse));
}

/* Sets the deadline that the state calls for, from now. */
void client_watch(struct client *c)
{
    const struct config_timeouts *timeouts = c->clients->timeouts;
    struct loop *loop = c->clients->loop;

    if (stream_backlog(&c->stream) > 0) {
        c->watched_bytes = stream_unsent(&c->stream);
        deadline_set(loop, &c->deadline, timeouts->response_body_ms);
    } else if (c->state == CLIENT_BUSY && !c->incoming->body_complete && !c->is_paused &&
               !c->incoming->awaits_continue) {
        deadline_set(loop, &c->deadline, timeouts->request_body_ms);
    } else if (c->is_probed) {
        deadline_set(loop, &c->deadline, PROBE_AGAIN_MS);
    } else if (c->state == CLIENT_BUSY) {
        deadline_clear(&c->deadline);
    }
}

static void client_fail_head(struct client *c, enum incoming_fault fault, const char *text)
{
    struct incoming *in = c->incoming;

    client_enter(c, CLIENT_BUSY);
    deadline_clear(&c->deadline);
    in->closes = true;
    c->clients->events->on_bad_request(c->clients, in, fault, text);
}

/* A client that has not taken a byte for so long will not. */
static void client_check_stalled(struct client *c)
{
    if (stream_unsent(&c->stream) != c->watched_bytes)
        client_watch(c);
    else
        client_reset(c);
}

static void on_deadline(struct deadline *d)
{
    struct client *c = list_entry(d, struct client, deadline);
    struct incoming *in = c->incoming;

    if (list_has_node(&c->resume.node))
        return; /* the exchange has ended this turn, and with it what the deadline was for */
    if (client_is_resting(c)) {
        client_close(c);
    } else if (c->state == CLIENT_LINGERING) {
        client_linger(c);
    } else if (c->state == CLIENT_HEAD) {
        client_fail_head(c, INCOMING_TIMED_OUT,
                         "request head not complete within timeouts.request_head");
    } else if (stream_backlog(&c->stream) > 0) {
        client_check_stalled(c);
    } else if (!in->body_complete && !in->is_done) {
        in->events->on_body_failed(in, INCOMING_TIMED_OUT,
                                   "nothing of the body within timeouts.request_body");
    } else if (in->is_done || stream_is_dead(&c->stream)) {
        client_close(c);
    } else {
        client_probe(c, PROBE_AGAIN_MS);
    }
}

/* --- reading --- */

static enum incoming_fault fault_of_parse(enum parse_error error)
{
    switch (error) {
    case PARSE_BAD_VERSION:
        return INCOMING_BAD_VERSION;
    case PARSE_UNKNOWN_METHOD:
        return INCOMING_NOT_IMPLEMENTED;
    case PARSE_LONG_LINE:
        return INCOMING_LONG_LINE;
    case PARSE_LARGE_HEAD:
    case PARSE_MANY_FIELDS:
        return INCOMING_LARGE_HEAD;
    default:
        return INCOMING_BAD;
    }
}

static void client_take_head(struct client *c)
{
    struct incoming *in = c->incoming;
    enum request_fault fault = request_check(&in->parse.head, &in->request);

    if (fault == REQUEST_OK && !parse_agrees(&in->parse, in->request.framing, in->request.length))
        fault = REQUEST_BAD_FRAMING;
    if (fault != REQUEST_OK) {
        client_fail_head(
            c, request_fault_status(fault) == 501 ? INCOMING_NOT_IMPLEMENTED : INCOMING_BAD,
            request_fault_text(fault));
        return;
    }
    client_enter(c, CLIENT_BUSY);
    in->body_complete = !in->parse.has_body;
    in->awaits_continue =
        in->parse.has_body && head_lists(&in->parse.head, SLICE("expect"), SLICE("100-continue"));
    if (!head_keeps_alive(&in->parse.head))
        in->closes = true;
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
    client_unpause(c); /* what is read from now on is the client's leaving */
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
    enum incoming_fault fault = fault_of_parse(in->parse.error);

    if (c->state == CLIENT_HEAD) {
        client_fail_head(c, fault, in->parse.why);
        return;
    }
    in->closes = true;
    if (in->is_done)
        client_resume_later(c);
    else
        in->events->on_body_failed(in, INCOMING_BAD, in->parse.why);
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
        c->incoming->began_us = clock_steady_us();
    while (c->state == CLIENT_HEAD || c->state == CLIENT_BUSY) {
        struct incoming *in = c->incoming;
        size_t used;
        enum parse_step step;

        if (in->parse.has_head && (in->body_complete || in->parse.error != PARSE_OK))
            break;
        if (total == bytes.length)
            break;
        step = parse_feed(&in->parse, (struct slice){bytes.start + total, bytes.length - total},
                          &used);
        total += used;
        if (step == PARSE_FAILED) {
            client_take_failure(c);
            return bytes.length;
        }
        CHECK(step != PARSE_MORE || used > 0);
        if (step == PARSE_MORE)
            continue;
        if (step == PARSE_HEAD)
            client_take_head(c);
        else
            client_take_end(c);
    }
    if (c->state == CLIENT_HEAD && was_resting && !client_is_resting(c))
        deadline_set(c->clients->loop, &c->deadline, c->clients->timeouts->request_head_ms);
    return total;
}

/* Feeds what had come ahead of its turn. */
static void client_feed_early(struct client *c)
{
    size_t used = client_feed(c, buffer_slice(&c->early));

    stream_flush_gathered(c->clients->loop); /* pieces of the body may be borrowed from it */
    buffer_consume(&c->early, used);
    if (buffer_length(&c->early) == 0)
        buffer_dispose(&c->early);
}

static void on_bytes(struct stream *s, struct slice bytes)
{
    struct client *c = client_of(s);
    size_t used;

    if (c->state == CLIENT_LINGERING)
        return;
    if (buffer_length(&c->early) > 0) {
        buffer_append(&c->early, bytes);
    } else {
        used = client_feed(c, bytes);
        if (c->state == CLIENT_CLOSING)
            return;
        if (c->state == CLIENT_BUSY && !c->incoming->body_complete && !c->incoming->is_done)
            client_watch(c);
        if (used < bytes.length)
            buffer_append(&c->early, (struct slice){bytes.start + used, bytes.length - used});
    }
    if (buffer_length(&c->early) >= EARLY_BYTES_MAX)
        stream_pause(s);
}

/* --- endings --- */

/* A client that has only shut its sending side waits for its answer; one that is
 * gone answers any byte with a reset. RFC 9110, 15.2 lets us send an interim
 * response at any time to a 1.1 client: it tells the two apart. */
static void client_probe(struct client *c, uint64_t again_ms)
{
    struct incoming *in = c->incoming;

    if (stream_backlog(&c->stream) > 0) {
        c->is_probed = true;
        client_watch(c); /* what it takes, or does not, tells as well */
        return;
    }
    if (!in->has_answered && !in->is_done && in->parse.head.version == VERSION_1_1) {
        stream_add(&c->stream, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
        stream_flush(&c->stream);
    }
    c->is_probed = true;
    deadline_set(c->clients->loop, &c->deadline, again_ms);
}

static void on_end(struct stream *s, int status)
{
    struct client *c = client_of(s);

    c->has_ended = true;
    if (status == 0 && c->state == CLIENT_BUSY && c->incoming->body_complete)
        client_probe(c, PROBE_FIRST_MS);
    else if (status == 0 && c->state == CLIENT_LINGERING && stream_backlog(s) > 0)
        return; /* the deadline ends it, or the drained queue */
    else
        client_close(c);
}

static void on_drained(struct stream *s)
{
    struct client *c = client_of(s);

    if (c->state == CLIENT_LINGERING && c->has_ended)
        client_close(c);
    if (c->state != CLIENT_BUSY)
        return;
    client_watch(c);
    if (c->incoming->is_done)
        client_resume_later(c);
    else
        c->incoming->events->on_drained(c->incoming);
}

static const struct stream_events stream_events = {
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

/* After what had come ahead of its turn was fed: is there more to wait for? */
static void client_go_on(struct client *c)
{
    bool lacks = client_is_resting(c) || c->state == CLIENT_HEAD ||
                 (c->state == CLIENT_BUSY && !c->incoming->body_complete);

    if ((c->has_ended && lacks) || (c->clients->is_draining && client_is_resting(c)))
        client_close(c);
    else if (c->has_ended && c->state == CLIENT_BUSY && !c->incoming->is_done)
        client_probe(c, PROBE_FIRST_MS);
    if (c->state != CLIENT_CLOSING && !c->is_paused && buffer_length(&c->early) < EARLY_BYTES_MAX)
        stream_read(&c->stream);
}

/* An exchange is over: on to the next request, if there may be one. */
static void on_resume(struct deferred *d)
{
    struct client *c = list_entry(d, struct client, resume);
    struct incoming *in = c->incoming;

    if (c->state != CLIENT_BUSY)
        return;
    if (in->closes || in->parse.error != PARSE_OK) {
        client_end(c);
        return;
    }
    if (stream_backlog(&c->stream) > 0) {
        client_watch(c);
        return; /* on_drained comes back here */
    }
    if (!in->body_complete) {
        c->is_paused = false;
        stream_read(&c->stream);
        client_watch(c);
        return; /* the rest of the body is thrown away, then client_take_end comes back */
    }
    incoming_free(c);
    client_enter(c, CLIENT_IDLE);
    deadline_set(c->clients->loop, &c->deadline, c->clients->timeouts->keep_alive_ms);
    if (buffer_length(&c->early) > 0)
        client_feed_early(c);
    client_go_on(c);
}

void client_resume_later(struct client *c)
{
    loop_defer(c->clients->loop, &c->resume);
}

/* --- for the set of clients --- */

struct client *client_new(struct clients *clients, struct listener *listener)
{
    struct client *c = mem_zalloc(sizeof *c);
    struct sockaddr_in6 local;
    int status;

    listener->is_waiting = false;
    c->clients = clients;
    deadline_init(&c->deadline, on_deadline);
    deferred_init(&c->resume, on_resume);
    list_init(&c->node);
    status = stream_accept(&c->stream, clients->loop, listener_stream(listener), &stream_events);
    if (status != 0) {
        client_close(c);
        return c;
    }
    stream_peer(&c->stream, &c->peer);
    stream_local(&c->stream, &local);
    c->local_port = ntohs(local.sin6_port); /* in the same place for IPv4 */
    deadline_set(clients->loop, &c->deadline,
                 clients->is_draining ? DRAIN_GRACE_MS : clients->timeouts->keep_alive_ms);
    stream_read(&c->stream);
    return c;
}

/* A request that is on its way, or is there and not read yet, is still served. */
void client_drain(struct client *c)
{
    if (!client_is_resting(c)) {
        if (c->incoming != NULL)
            c->incoming->closes = true;
        return;
    }
    if (!c->has_served || stream_is_stale(&c->stream))
        deadline_set(c->clients->loop, &c->deadline, DRAIN_GRACE_MS);
    else
        client_close(c);
}
