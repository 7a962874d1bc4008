/*
 * How long a stream may stay as it is (client/patience.h). Of what waits for the client h2_backlog
 * says how much it has not taken; a client that leaves is seen by reading its connection.
 */
#include "client/h2.h"
#include "client/patience.h"

/* The client may send no more: other bodies of its connection have used up the window. */
static bool stream_is_held(const struct client_stream *s)
{
    return s->in.client->h2->wire.receive_window <= 0 || s->stream.receive_window <= 0;
}

static bool stream_owes_body(const struct client_stream *s)
{
    return !s->in.body_complete && !s->in.is_done && !s->is_paused && !s->in.awaits_continue &&
           !s->is_tunnel;
}

static enum patience_state stream_awaits(const struct client_stream *s)
{
    if (s->is_closed || s->is_tunnel)
        return PATIENCE_EXCHANGE;
    if (h2_backlog(&s->stream) > 0)
        return PATIENCE_TAKING;
    return stream_owes_body(s) ? PATIENCE_BODY : PATIENCE_EXCHANGE;
}

static void stream_wait(struct client_stream *s, uint64_t within_ms)
{
    if (within_ms == PATIENCE_FOREVER)
        deadline_rest(&s->deadline);
    else
        deadline_set(client_stream_loop(s), &s->deadline, within_ms);
}

/* What it has not taken only shrinks, unless more is sent. */
static uint64_t taken_of(size_t unsent)
{
    return 0 - (uint64_t)unsent;
}

static bool stream_is_too_slow(const struct client_stream *s, struct rate *rate, uint64_t moved)
{
    return rate_is_too_low(rate, client_stream_now_ms(s), moved,
                           s->in.client->clients->config->limits.least_rate);
}

bool client_stream_sends_too_slowly(struct client_stream *s)
{
    uint64_t now_ms = client_stream_now_ms(s), held_ms = s->in.client->h2->held_ms;

    if (!stream_owes_body(s) || !stream_is_too_slow(s, &s->in.sent, s->in.body_bytes))
        return false;
    return held_ms == 0 || now_ms - held_ms > RATE_OVER_MS;
}

static void stream_begin_taking(struct client_stream *s)
{
    s->watched_bytes = h2_backlog(&s->stream);
    s->sent_bytes = s->in.client->h2->wire.sent_bytes;
    s->in.took_ms = client_stream_now_ms(s);
    rate_run(&s->in.taken, s->in.took_ms, taken_of(s->watched_bytes));
    stream_wait(s, patience_ms(PATIENCE_TAKING, &s->in.client->clients->timeouts));
}

void client_stream_watch(struct client_stream *s)
{
    enum patience_state state = stream_awaits(s);

    if (state == PATIENCE_TAKING) {
        if (!rate_runs(&s->in.taken))
            stream_begin_taking(s);
        return;
    }
    if (state == PATIENCE_BODY)
        rate_run(&s->in.sent, client_stream_now_ms(s), s->in.body_bytes);
    stream_wait(s, patience_ms(state, &s->in.client->clients->timeouts));
}

/* More was sent: what waits is another amount, and not one that has grown. */
void client_stream_watch_answer(struct incoming *in)
{
    struct client_stream *s = client_stream_of(in);
    size_t waits = incoming_backlog(in);

    if (waits > 0 && rate_runs(&in->taken) && !s->is_tunnel) {
        rate_rest(&in->taken, client_stream_now_ms(s),
                  taken_of(waits < s->watched_bytes ? waits : s->watched_bytes));
        stream_begin_taking(s);
    } else {
        client_stream_watch(s);
    }
}

/* A connection that takes nothing at all goes as a whole: its socket would stay full. */
static void stream_give_up(struct client_stream *s, const char *why)
{
    struct client *c = s->in.client;

    s->in.why_gone = why;
    if (stream_backlog(&c->stream) > 0 && c->h2->wire.sent_bytes == s->sent_bytes) {
        client_reset(c);
        return;
    }
    client_stream_close(s, H2_CANCEL);
    client_stream_note_gone(s);
}

/* How much it took since the last look. */
static void stream_look_at_taking(struct client_stream *s, struct patience_seen *seen)
{
    size_t unsent = h2_backlog(&s->stream);

    if (unsent != s->watched_bytes) {
        s->watched_bytes = unsent;
        s->sent_bytes = s->in.client->h2->wire.sent_bytes;
        s->in.took_ms = client_stream_now_ms(s);
        seen->is_slow = stream_is_too_slow(s, &s->in.taken, taken_of(unsent));
    }
    seen->silent_ms = client_stream_now_ms(s) - s->in.took_ms;
}

void client_stream_on_deadline(struct deadline *d)
{
    struct client_stream *s = list_entry(d, struct client_stream, deadline);
    struct patience_seen seen = {.state = stream_awaits(s), .is_over = true};
    struct patience next;

    if (list_has_node(&s->resume.node))
        return;
    if (seen.state == PATIENCE_TAKING)
        stream_look_at_taking(s, &seen);
    else if (seen.state == PATIENCE_BODY && stream_is_held(s))
        seen.is_over = false;
    next = patience_next(&seen, &s->in.client->clients->timeouts);
    if (next.step == PATIENCE_RESET)
        stream_give_up(s, patience_why(&seen));
    else if (next.step == PATIENCE_FAIL)
        client_stream_fail_body(s, INCOMING_TIMED_OUT, patience_why(&seen));
    else
        stream_wait(s, next.within_ms);
}

void client_stream_take_drained(struct h2_stream *stream)
{
    struct client_stream *s = client_stream_of_wire(stream);

    rate_rest(&s->in.taken, client_stream_now_ms(s), taken_of(0));
    client_stream_watch(s);
    if (s->in.is_done)
        client_stream_resume_later(s);
    else
        s->in.events->on_drained(&s->in);
}
