/*
 *   state                                    deadline                  then
 *   resting (IDLE, HEAD without a byte)      timeouts.keep_alive       closed
 *   the same, before its first request       timeouts.request_head     closed
 *   HEAD                                     timeouts.request_head     408
 *   BUSY, sent what the client does not take timeouts.response_body    reset, if it took nothing
 *   BUSY, waiting for the body               timeouts.request_body     408
 *   BUSY, not reading                        PROBE_AGAIN_MS            closed if it is gone, else again;
 *                                                                      probed if it has half-closed
 *   BUSY, not reading a new one yet          UNWATCHED_MS              reads
 *   BUSY, reading                            none: the exchange has its own
 *   TUNNEL                                   none: the tunnel has its own
 *   LINGERING                                LINGER_MS                 closed, if it took nothing
 *
 * Who leaves is seen by reading. Where nothing is read (the backend takes no more of the
 * body for now, or enough requests wait for their turn, or the client has shut its sending
 * side) the kernel tells of a reset only when it is asked: the loop does not watch such a
 * socket, as what is not read would wake it again and again. So it is asked.
 *
 * A client that shut its sending side and waits looks, to the kernel, like one that has
 * closed: both have sent their end, and only a byte from us makes the second one reset.
 * Some such bytes mean nothing, and are sent where there is a place for them:
 *   - before the final head an interim response, to 1.1 clients (RFC 9110, 15.2);
 *   - between two chunks the first digit of the next one's size, a zero: any number of
 *     them may lead it, that of the last chunk too (RFC 9112, 7.1). Once only, as some
 *     readers count the digits. A digit without the rest must not be taken for the last
 *     chunk: a cut is a reset from then on.
 * Nothing of the kind fits into a counted body, or one that the end of the connection
 * ends. There, and afterwards, keep-alive packets tell, as soon as the client's kernel
 * has forgotten the socket (stream_keep_alive), or the next byte of the body.
 */
#include "client/watch.h"

enum {
    LINGER_MS = 2000,
    UNWATCHED_MS = 20,     /* in which a request is mostly answered */
    IDLE_LINGERS_MAX = 30, /* a minute in which a client takes nothing */
    PROBE_FIRST_MS = 5,    /* a reset needs a round trip */
    PROBE_AGAIN_MS = 500,
    CHECKS_MOST = 128, /* a power of two: in the end every 32 s */
};

bool client_is_resting(const struct client *c)
{
    return c->state == CLIENT_IDLE ||
           (c->state == CLIENT_HEAD && parse_is_at_start(&c->incoming->parse));
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

void client_watch(struct client *c)
{
    const struct config_timeouts *timeouts = &c->clients->timeouts;
    struct loop *loop = c->clients->loop;

    if (c->state == CLIENT_TUNNEL) {
        deadline_rest(&c->deadline);
    } else if (stream_backlog(&c->stream) > 0) {
        c->watched_bytes = stream_unsent(&c->stream);
        deadline_set(loop, &c->deadline, timeouts->response_body_ms);
    } else if (client_owes_body(c)) {
        deadline_set(loop, &c->deadline, timeouts->request_body_ms);
    } else if (c->state == CLIENT_BUSY && !c->stream.is_reading) {
        deadline_set(loop, &c->deadline, client_is_unwatched(c) ? UNWATCHED_MS : PROBE_AGAIN_MS);
    } else if (c->state == CLIENT_BUSY) {
        deadline_rest(&c->deadline);
    }
}

/* A client that has not taken a byte for so long will not. */
static void client_check_stalled(struct client *c)
{
    if (stream_unsent(&c->stream) != c->watched_bytes)
        client_watch(c);
    else
        client_reset(c);
}

/* Sends what means nothing, where that is possible; a client that is gone resets. */
static void client_probe(struct client *c)
{
    struct incoming *in = c->incoming;

    if (in->is_done || stream_backlog(&c->stream) > 0)
        return; /* what it takes, or does not, tells as well */
    if (!in->has_answered && in->parse.head.version == VERSION_1_1) {
        stream_add(&c->stream, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
    } else if (in->answers_in_chunks && !in->needs_reset) {
        stream_add(&c->stream, SLICE("0"));
        in->needs_reset = true;
    }
    stream_flush(&c->stream);
}

/* Less and less often: many readers bear only so many interim responses. */
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

void watch_linger(struct client *c)
{
    uint64_t patience_ms = c->clients->timeouts.response_body_ms;
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

/* BUSY, and nothing is queued. */
static void client_check_busy(struct client *c)
{
    struct incoming *in = c->incoming;

    if (client_owes_body(c) && !in->is_done) {
        in->events->on_body_failed(in, INCOMING_TIMED_OUT,
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
    if (client_is_resting(c))
        client_close(c);
    else if (c->state == CLIENT_LINGERING)
        watch_linger(c);
    else if (c->state == CLIENT_HEAD)
        client_fail_head(c, INCOMING_TIMED_OUT,
                         "request head not complete within timeouts.request_head");
    else if (stream_backlog(&c->stream) > 0)
        client_check_stalled(c);
    else
        client_check_busy(c);
}

void watch_init(struct client *c)
{
    deadline_init(&c->deadline, on_deadline);
}
