/*
 * What is seen of a client, and done about it; client/patience.c says what that is.
 *
 * Who leaves is seen by reading. Where nothing is read (the backend takes no more of the
 * body for now, or enough requests wait for their turn, or the client has shut its sending
 * side) the kernel reports a reset only when it is asked: the loop does not watch such a
 * socket, as unread bytes would wake it again and again. So the kernel is asked.
 *
 * A client that shut its sending side and waits looks, to the kernel, like a client that
 * has closed: both have sent their end, and only a byte from us makes the second one reset.
 * Some such bytes mean nothing, and are sent where there is a place for them:
 *   - before a head the first bytes of it, one at a time: all begin with "HTTP/1.1 ". An interim
 *     response would do for 1.1 clients (RFC 9110, 15.2), but many who half-close read no more
 *     than a first line;
 *   - between two chunks the first digit of the next one's size, a zero: any number of
 *     them may lead it, that of the last chunk too (RFC 9112, 7.1). Once only, as some
 *     readers count the digits. A digit without the rest must not be taken for the last
 *     chunk: a cut is a reset from then on.
 * Nothing of the kind fits into a counted body, or a body that the end of the connection ends.
 * There, and afterwards (nine bytes of a head last for a minute), keep-alive packets help, as
 * soon as the client's kernel has forgotten the socket (stream_keep_alive), or the next byte of
 * the body.
 */
#include "client/h2.h"
#include "client/handshake.h"
#include "client/introduction.h"
#include "client/patience.h"

enum { PROBE_FIRST_MS = 5 }; /* a reset needs a round trip */

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

/* But BUSY. */
static enum patience_state client_awaits_else(const struct client *c)
{
    switch (c->state) {
    case CLIENT_TUNNEL:
    case CLIENT_CLOSING:
        return PATIENCE_EXCHANGE;
    case CLIENT_LINGERING:
        return PATIENCE_LINGERING;
    default:
        return client_is_resting(c) ? PATIENCE_RESTING : PATIENCE_HEAD;
    }
}

static inline enum patience_state client_awaits(const struct client *c)
{
    if (c->state != CLIENT_BUSY)
        return client_awaits_else(c);
    if (stream_backlog(&c->stream) > 0)
        return PATIENCE_TAKING;
    if (client_owes_body(c))
        return PATIENCE_BODY;
    if (c->stream.is_reading)
        return PATIENCE_EXCHANGE;
    /* Nothing stands against reading, only nobody has begun: client_look. */
    return !c->has_ended && client_may_read(c) ? PATIENCE_UNREAD : PATIENCE_UNSEEN;
}

static uint64_t client_now_ms(const struct client *c)
{
    return loop_now_ms(c->clients->loop);
}

static bool client_is_too_slow(const struct client *c, struct rate *rate, uint64_t moved)
{
    return rate_is_too_low(rate, client_now_ms(c), moved, c->clients->config->limits.least_rate);
}

/* --- what follows --- */

/* Sends what means nothing, where that is possible; a client that is gone resets. */
static void client_probe(struct client *c)
{
    struct incoming *in = c->incoming;

    if (in->is_done || stream_backlog(&c->stream) > 0)
        return; /* whether it takes that shows as much */
    if (!in->has_answered) {
        incoming_begin_head(in);
    } else if (in->answers_in_chunks && !in->needs_reset) {
        stream_add(&c->stream, SLICE("0"));
        in->needs_reset = true;
    }
    stream_flush(&c->stream);
}

static void client_wait(struct client *c, uint64_t within_ms)
{
    if (within_ms == PATIENCE_FOREVER)
        deadline_rest(&c->deadline);
    else
        deadline_set(c->clients->loop, &c->deadline, within_ms);
}

static void client_fail(struct client *c, const char *why)
{
    struct incoming *in = c->incoming;

    if (c->state == CLIENT_HEAD)
        client_fail_head(c, INCOMING_TIMED_OUT, why);
    else
        incoming_fail_body(in, INCOMING_TIMED_OUT, why);
}

static void client_follow(struct client *c, const struct patience_seen *seen)
{
    struct patience next = patience_next(seen, &c->clients->timeouts);

    switch (next.step) {
    case PATIENCE_WAIT:
        client_wait(c, next.within_ms);
        break;
    case PATIENCE_READ:
        stream_read(&c->stream);
        client_watch(c);
        break;
    case PATIENCE_PROBE:
        if (patience_probes(&c->checks))
            client_probe(c);
        client_watch(c);
        break;
    case PATIENCE_FAIL:
        client_fail(c, patience_why(seen));
        break;
    case PATIENCE_RESET:
        c->incoming->why_gone = patience_why(seen);
        client_reset(c);
        break;
    case PATIENCE_CLOSE:
        client_close(c);
        break;
    }
}

/* --- what a client takes --- */

/* What it has not taken only shrinks, unless more is sent. */
static uint64_t taken_of(uint32_t unsent)
{
    return 0 - (uint64_t)unsent;
}

/* So much waits for it from now on. */
static void client_begin_taking(struct client *c, uint32_t unsent)
{
    struct incoming *in = c->incoming;

    c->watched_bytes = unsent;
    in->took_ms = client_now_ms(c);
    rate_run(&in->taken, in->took_ms, taken_of(unsent));
    client_follow(c, &(struct patience_seen){.state = PATIENCE_TAKING});
}

/* It has taken some. Was that too little? */
static bool client_takes_too_slowly(struct client *c, uint32_t unsent)
{
    c->watched_bytes = unsent;
    c->incoming->took_ms = client_now_ms(c);
    return client_is_too_slow(c, &c->incoming->taken, taken_of(unsent));
}

void watch_answer(struct incoming *in)
{
    struct client *c = in->client;
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

        if (client_takes_too_slowly(c, unsent)) {
            client_follow(c, &(struct patience_seen){.state = PATIENCE_TAKING, .is_slow = true});
            return false;
        }
        rate_rest(taken, client_now_ms(c), taken_of(unsent));
    }
    client_watch(c);
    return true;
}

/* --- when it is looked at --- */

void client_watch(struct client *c)
{
    struct incoming *in = c->incoming;
    enum patience_state state = client_awaits(c);

    if (state == PATIENCE_TAKING) {
        if (!rate_runs(&in->taken)) /* else what the client sends begins nothing anew */
            client_begin_taking(c, stream_unsent(&c->stream));
        return;
    }
    if (state == PATIENCE_BODY)
        rate_run(&in->sent, client_now_ms(c), in->body_bytes);
    else if (c->state == CLIENT_TUNNEL)
        in->taken = (struct rate){0}; /* a tunnel has no rate */
    client_wait(c, patience_ms(state, &c->clients->timeouts));
}

void watch_body(struct client *c)
{
    struct incoming *in = c->incoming;

    if (client_owes_body(c) && client_is_too_slow(c, &in->sent, in->body_bytes))
        client_follow(c, &(struct patience_seen){.state = PATIENCE_BODY, .is_slow = true});
    else
        client_watch(c);
}

void watch_begin_probing(struct client *c)
{
    client_probe(c);
    if (stream_backlog(&c->stream) > 0)
        client_watch(c);
    else
        deadline_set(c->clients->loop, &c->deadline, PROBE_FIRST_MS);
}

/* What it took since the last look. */
static void client_look_at_taking(struct client *c, struct patience_seen *seen)
{
    uint32_t unsent = stream_unsent(&c->stream);

    seen->is_slow = unsent != c->watched_bytes && client_takes_too_slowly(c, unsent);
    seen->silent_ms = client_now_ms(c) - c->incoming->took_ms;
}

static void client_look_at_lingering(struct client *c, struct patience_seen *seen)
{
    seen->unsent = stream_unsent(&c->stream);
    c->idle_lingers = seen->unsent == c->watched_bytes ? c->idle_lingers + 1 : 0;
    seen->idle_times = c->idle_lingers;
    seen->is_slow = seen->idle_times == 0 && seen->unsent > 0 &&
                    client_is_too_slow(c, &c->incoming->taken, taken_of(seen->unsent));
    c->watched_bytes = seen->unsent;
}

static void client_look_again(struct client *c)
{
    struct patience_seen seen = {
        .state = client_awaits(c), .is_over = true, .has_ended = c->has_ended};

    if (seen.state == PATIENCE_TAKING)
        client_look_at_taking(c, &seen);
    else if (seen.state == PATIENCE_LINGERING)
        client_look_at_lingering(c, &seen);
    else if (c->state == CLIENT_BUSY)
        seen.is_gone =
            c->incoming->is_done || (seen.state != PATIENCE_BODY && stream_is_dead(&c->stream));
    client_follow(c, &seen);
}

void watch_begin_lingering(struct client *c)
{
    rate_run(&c->incoming->taken, client_now_ms(c), taken_of(stream_unsent(&c->stream)));
    c->watched_bytes = UINT32_MAX; /* the first time counts as one in which it took some */
    client_look_again(c);
}

void client_on_deadline(struct deadline *d)
{
    struct client *c = list_entry(d, struct client, deadline);

    CHECK(c->state != CLIENT_CLOSING);
    if (list_has_node(&c->resume.node))
        return; /* the exchange has ended this turn, and with it what the deadline was for */
    if (c->state == CLIENT_INTRODUCTION)
        introduction_late(c);
    else if (c->state == CLIENT_HANDSHAKE)
        handshake_late(c);
    else if (c->h2 != NULL)
        h2_client_late(c);
    else
        client_look_again(c);
}
