/*
 *   state                                    deadline                  then
 *   INTRODUCTION                             5 s                       closed
 *   resting (IDLE, HEAD without a byte)      timeouts.keep_alive       closed
 *   the same, before its first request       timeouts.request_head     closed
 *   HEAD                                     timeouts.request_head     408
 *   BUSY, sent what the client does not take timeouts.response_body,   reset, if it took nothing;
 *                                            RATE_OVER_MS              or below limits.least_rate
 *   BUSY, waiting for the body               timeouts.request_body     408
 *   BUSY, not reading                        PROBE_AGAIN_MS            closed if gone, else again;
 *                                                                      probed if it has half-closed
 *   BUSY, not reading a new one yet          UNWATCHED_MS              reads
 *   BUSY, reading                            none: the exchange has its own
 *   TUNNEL                                   none: the tunnel has its own
 *   LINGERING                                LINGER_MS                 closed, if it took nothing,
 *                                                                      or below limits.least_rate
 *
 * A piece of the body that comes is the moment at which the least rate is asked for: no deadline
 * is needed. What a client takes of an answer nobody tells; there the deadline asks.
 *
 * Who leaves is seen by reading. Where nothing is read (the backend takes no more of the
 * body for now, or enough requests wait for their turn, or the client has shut its sending
 * side) the kernel tells of a reset only when it is asked: the loop does not watch such a
 * socket, as what is not read would wake it again and again. So it is asked.
 *
 * A client that shut its sending side and waits looks, to the kernel, like one that has
 * closed: both have sent their end, and only a byte from us makes the second one reset.
 * Some such bytes mean nothing, and are sent where there is a place for them:
 *   - before a head the first bytes of it, one at a time: all begin with "HTTP/1.1 ". An interim
 *     response would do for 1.1 clients (RFC 9110, 15.2), but many who half-close read no more
 *     than a first line;
 *   - between two chunks the first digit of the next one's size, a zero: any number of
 *     them may lead it, that of the last chunk too (RFC 9112, 7.1). Once only, as some
 *     readers count the digits. A digit without the rest must not be taken for the last
 *     chunk: a cut is a reset from then on.
 * Nothing of the kind fits into a counted body, or one that the end of the connection
 * ends. There, and afterwards (nine bytes of a head last for a minute), keep-alive packets
 * tell, as soon as the client's kernel has forgotten the socket (stream_keep_alive), or the
 * next byte of the body.
 */
#include "client/watch.h"

#include "client/early.h"
#include "client/introduction.h"
#include "client/resting.h"
#include "client/states.h"

enum {
    LINGER_MS = 2000,
    UNWATCHED_MS = 20,     /* in which a request is mostly answered */
    IDLE_LINGERS_MAX = 30, /* a minute in which a client takes nothing */
    PROBE_FIRST_MS = 5,    /* a reset needs a round trip */
    PROBE_AGAIN_MS = 500,
    CHECKS_MOST = 128, /* a power of two: in the end every 32 s */
};

bool client_may_read(const struct client *c)
{
    return c->state != CLIENT_CLOSING && !c->is_paused && early_has_room(c);
}

/* It is the client's turn to send, and it may. */
static bool client_owes_body(const struct client *c)
{
    return c->state == CLIENT_BUSY && !c->incoming->body_complete && !c->is_paused &&
           !c->incoming->awaits_continue;
}

/* Nothing stands against reading, only nobody has begun: client_look. */
static bool client_is_unwatched(const struct client *c)
{
    return !c->stream.is_reading && !c->has_ended && client_may_read(c);
}

static uint64_t client_now_ms(const struct client *c)
{
    return loop_now_ms(c->clients->loop);
}

static bool client_is_too_slow(const struct client *c, struct rate *rate, uint64_t moved)
{
    return rate_is_too_low(rate, client_now_ms(c), moved, c->clients->config->limits.least_rate);
}

/* --- what a client takes --- */

/* What it has not taken only shrinks, unless more is sent. */
static uint64_t taken_of(uint32_t unsent)
{
    return 0 - (uint64_t)unsent;
}

static void client_await_taking(struct client *c)
{
    struct incoming *in = c->incoming;
    uint64_t silent_ms = client_now_ms(c) - in->took_ms;
    uint64_t patience_ms = c->clients->timeouts.response_body_ms;

    if (silent_ms >= patience_ms) {
        in->why_gone = "the client took nothing of the answer within timeouts.response_body";
        client_reset(c);
        return;
    }
    patience_ms -= silent_ms;
    deadline_set(c->clients->loop, &c->deadline,
                 patience_ms < RATE_OVER_MS ? patience_ms : RATE_OVER_MS);
}

/* So much waits for it from now on. */
static void client_begin_taking(struct client *c, uint32_t unsent)
{
    struct incoming *in = c->incoming;

    c->watched_bytes = unsent;
    in->took_ms = client_now_ms(c);
    rate_run(&in->taken, in->took_ms, taken_of(unsent));
    client_await_taking(c);
}

/* It has taken some. False: not enough, and it is cut. */
static bool client_has_taken(struct client *c, uint32_t unsent)
{
    struct incoming *in = c->incoming;

    c->watched_bytes = unsent;
    in->took_ms = client_now_ms(c);
    if (!client_is_too_slow(c, &in->taken, taken_of(unsent)))
        return true;
    in->why_gone = "the client took less of the answer than limits.least_rate";
    client_reset(c);
    return false;
}

static void client_check_taking(struct client *c)
{
    uint32_t unsent = stream_unsent(&c->stream);

    if (unsent == c->watched_bytes || client_has_taken(c, unsent))
        client_await_taking(c);
}

void watch_sent(struct client *c)
{
    struct incoming *in = c->incoming;
    uint32_t unsent;

    if (stream_backlog(&c->stream) == 0 || !rate_runs(&in->taken)) {
        client_watch(c);
        return;
    }
    unsent = stream_unsent(&c->stream);
    rate_rest(&in->taken, client_now_ms(c),
              taken_of(unsent < c->watched_bytes ? unsent : c->watched_bytes));
    client_begin_taking(c, unsent);
}

bool watch_drained(struct client *c)
{
    struct rate *taken = &c->incoming->taken;

    if (rate_runs(taken)) {
        uint32_t unsent = stream_unsent(&c->stream);

        if (!client_has_taken(c, unsent))
            return false;
        rate_rest(taken, client_now_ms(c), taken_of(unsent));
    }
    client_watch(c);
    return true;
}

/* --- the deadline that the state calls for --- */

void client_watch(struct client *c)
{
    const struct config_timeouts *timeouts = &c->clients->timeouts;
    struct loop *loop = c->clients->loop;

    if (c->state == CLIENT_TUNNEL) {
        c->incoming->taken = (struct rate){0}; /* a tunnel has no rate */
        deadline_rest(&c->deadline);
    } else if (stream_backlog(&c->stream) > 0) {
        if (!rate_runs(&c->incoming->taken)) /* else what the client sends begins nothing anew */
            client_begin_taking(c, stream_unsent(&c->stream));
    } else if (client_owes_body(c)) {
        rate_run(&c->incoming->sent, client_now_ms(c), c->incoming->body_bytes);
        deadline_set(loop, &c->deadline, timeouts->request_body_ms);
    } else if (c->state == CLIENT_BUSY && !c->stream.is_reading) {
        deadline_set(loop, &c->deadline, client_is_unwatched(c) ? UNWATCHED_MS : PROBE_AGAIN_MS);
    } else if (c->state == CLIENT_BUSY) {
        deadline_rest(&c->deadline);
    }
}

void watch_body(struct client *c)
{
    struct incoming *in = c->incoming;

    if (client_owes_body(c) && client_is_too_slow(c, &in->sent, in->body_bytes))
        incoming_fail_body(in, INCOMING_TIMED_OUT, "less of the body came than limits.least_rate");
    else
        client_watch(c);
}

/* Sends what means nothing, where that is possible; a client that is gone resets. */
static void client_probe(struct client *c)
{
    struct incoming *in = c->incoming;

    if (in->is_done || stream_backlog(&c->stream) > 0)
        return; /* what it takes, or does not, tells as well */
    if (!in->has_answered) {
        incoming_begin_head(in);
    } else if (in->answers_in_chunks && !in->needs_reset) {
        stream_add(&c->stream, SLICE("0"));
        in->needs_reset = true;
    }
    stream_flush(&c->stream);
}

/* Less and less often: there are only so many bytes to send. */
static void client_probe_now_and_then(struct client *c)
{
    c->checks = c->checks == CHECKS_MOST ? CHECKS_MOST / 2 + 1 : c->checks + 1;
    if ((c->checks & (c->checks - 1)) == 0)
        client_probe(c);
}

void watch_begin_probing(struct client *c)
{
    client_probe(c);
    if (stream_backlog(&c->stream) > 0)
        client_watch(c);
    else
        deadline_set(c->clients->loop, &c->deadline, PROBE_FIRST_MS);
}

void watch_begin_lingering(struct client *c)
{
    rate_run(&c->incoming->taken, client_now_ms(c), taken_of(stream_unsent(&c->stream)));
    c->watched_bytes = UINT32_MAX; /* the first time counts as one in which it took some */
    watch_linger(c);
}

void watch_linger(struct client *c)
{
    uint64_t patience_ms = c->clients->timeouts.response_body_ms;
    uint32_t unsent = stream_unsent(&c->stream);
    bool took_nothing = unsent == c->watched_bytes;

    c->idle_lingers = took_nothing ? c->idle_lingers + 1 : 0;
    if (took_nothing ? unsent == 0 || c->idle_lingers == IDLE_LINGERS_MAX ||
                           (uint64_t)c->idle_lingers * LINGER_MS > patience_ms
                     : unsent > 0 && client_is_too_slow(c, &c->incoming->taken, taken_of(unsent))) {
        client_close(c);
        return;
    }
    c->watched_bytes = unsent;
    deadline_set(c->clients->loop, &c->deadline, LINGER_MS);
}

/* BUSY, and nothing is queued. */
static void client_check_busy(struct client *c)
{
    struct incoming *in = c->incoming;

    if (client_owes_body(c) && !in->is_done) {
        incoming_fail_body(in, INCOMING_TIMED_OUT,
                           "nothing of the body within timeouts.request_body");
    } else if (in->is_done || stream_is_dead(&c->stream)) {
        client_close(c);
    } else {
        if (c->has_ended)
            client_probe_now_and_then(c);
        if (client_is_unwatched(c))
            stream_read(&c->stream);
        client_watch(c);
    }
}

static void on_deadline(struct deadline *d)
{
    struct client *c = list_entry(d, struct client, deadline);

    if (list_has_node(&c->resume.node))
        return; /* the exchange has ended this turn, and with it what the deadline was for */
    if (c->state == CLIENT_INTRODUCTION)
        introduction_late(c);
    else if (client_is_resting(c))
        client_close(c);
    else if (c->state == CLIENT_LINGERING)
        watch_linger(c);
    else if (c->state == CLIENT_HEAD)
        client_fail_head(c, INCOMING_TIMED_OUT,
                         "request head not complete within timeouts.request_head");
    else if (stream_backlog(&c->stream) > 0)
        client_check_taking(c);
    else
        client_check_busy(c);
}

void watch_init(struct client *c)
{
    deadline_init(&c->deadline, on_deadline);
}
