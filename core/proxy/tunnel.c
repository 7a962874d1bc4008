/*
 * The two directions are independent:
 *
 *   client  --bytes-->  backend      client  <--bytes--  backend
 *      |                                |
 *   on its end: the backend is shut  on its end: the client is shut
 *   behind what is queued for it     behind what is queued for it
 *
 *   OPEN --one end--> HALF OPEN --the other, queues empty--> over: both are closed
 *     |                   |
 *     '-------------------'--one side breaks--> over: the other is reset
 *                         '--nothing moves----> over: both are closed, or reset if something
 *                                               is still queued
 *
 * Each side is read while the other takes what comes; what waits is at most two reads
 * for each direction. Of a side that is not read (the other is slow, or it has ended)
 * no event comes: it is asked now and then whether it has been reset.
 */
#include "proxy/tunnel.h"

enum { ASK_AGAIN_MS = 500 };

static void tunnel_note_moved(struct tunnel *t)
{
    t->moved_ms = loop_now_ms(t->loop);
}

/* --- the end --- */

static bool tunnel_has_backlog(const struct tunnel *t)
{
    return incoming_backlog(t->in) > 0 || outgoing_backlog(t->outgoing) > 0;
}

/* Where something on its way is lost, or what would have come, only a reset says so, to the side
 * that was to get it and to the side that has sent it. */
static void tunnel_over(struct tunnel *t, bool breaks, enum attempt_outcome outcome,
                        const char *note)
{
    breaks |= tunnel_has_backlog(t);
    deadline_clear(&t->deadline);
    if (breaks)
        attempt_reset(t->attempt);
    else
        attempt_cancel(t->attempt);
    incoming_leave(t->in, breaks);
    t->on_over(t, outcome, note);
}

static void tunnel_lose_client(struct tunnel *t)
{
    tunnel_over(t, true, ATTEMPT_CANCELLED, incoming_why_gone(t->in));
}

static void tunnel_lose_backend(struct tunnel *t, const char *text)
{
    tunnel_over(t, true, ATTEMPT_RESET, text);
}

static void tunnel_check_end(struct tunnel *t)
{
    if (t->client_ended && t->backend_ended && !tunnel_has_backlog(t))
        tunnel_over(t, false, ATTEMPT_OK, NULL);
}

/* --- time --- */

static void tunnel_watch(struct tunnel *t)
{
    uint64_t idle_at_ms = t->moved_ms + t->idle_ms;
    uint64_t now_ms = loop_now_ms(t->loop);
    uint64_t left_ms = idle_at_ms > now_ms ? idle_at_ms - now_ms : 0;
    bool asks = !incoming_is_read(t->in) || !outgoing_is_read(t->outgoing);

    deadline_set(t->loop, &t->deadline, asks && left_ms > ASK_AGAIN_MS ? ASK_AGAIN_MS : left_ms);
}

static void on_deadline(struct deadline *d)
{
    struct tunnel *t = list_entry(d, struct tunnel, deadline);
    uint64_t unsent = (uint64_t)incoming_unsent(t->in) + outgoing_unsent(t->outgoing);

    if (unsent != t->unsent)
        tunnel_note_moved(t); /* slowly, but it is taken */
    t->unsent = unsent;
    if (loop_now_ms(t->loop) - t->moved_ms >= t->idle_ms)
        tunnel_over(t, false, ATTEMPT_TIMEOUT, "timeouts.tunnel");
    else if (incoming_is_lost(t->in))
        tunnel_lose_client(t);
    else if (outgoing_is_lost(t->outgoing))
        tunnel_lose_backend(t, "connection reset by peer");
    else
        tunnel_watch(t);
}

/* --- from the client to the backend --- */

static void on_client_bytes(struct incoming *in, struct slice piece)
{
    struct tunnel *t = in->owner;

    tunnel_note_moved(t);
    outgoing_send_body(t->outgoing, piece);
    if (outgoing_backlog(t->outgoing) > 0) {
        incoming_pause(in);
        tunnel_watch(t);
    }
}

static void on_client_end(struct incoming *in)
{
    struct tunnel *t = in->owner;

    t->client_ended = true;
    tunnel_note_moved(t);
    outgoing_send_end(t->outgoing, SLICE(""));
    tunnel_watch(t);
    tunnel_check_end(t);
}

static void on_backend_drained(struct outgoing *o)
{
    struct tunnel *t = o->owner;

    tunnel_note_moved(t);
    incoming_resume(t->in);
    tunnel_check_end(t);
}

static void on_client_gone(struct incoming *in)
{
    tunnel_lose_client(in->owner);
}

static void on_client_failed(struct incoming *in, enum incoming_fault fault, const char *text)
{
    (void)fault; /* there is no answer that could say it */
    tunnel_over(in->owner, true, ATTEMPT_CANCELLED, text);
}

static size_t on_memory_full(struct incoming *in)
{
    const struct tunnel *t = in->owner;

    return outgoing_backlog(t->outgoing);
}

/* --- from the backend to the client --- */

static void on_backend_bytes(struct outgoing *o, struct slice piece)
{
    struct tunnel *t = o->owner;

    tunnel_note_moved(t);
    t->bytes_out += piece.length;
    incoming_send_body(t->in, piece);
    if (incoming_backlog(t->in) > 0) {
        outgoing_pause(o);
        tunnel_watch(t);
    }
}

static void on_backend_end(struct outgoing *o)
{
    struct tunnel *t = o->owner;

    t->backend_ended = true;
    tunnel_note_moved(t);
    incoming_send_end(t->in, SLICE(""));
    tunnel_watch(t);
    tunnel_check_end(t);
}

static void on_client_drained(struct incoming *in)
{
    struct tunnel *t = in->owner;

    tunnel_note_moved(t);
    outgoing_resume(t->outgoing);
    tunnel_check_end(t);
}

static void on_backend_failed(struct outgoing *o, enum outgoing_failure failure, const char *text)
{
    (void)failure; /* there is no protocol that it could break */
    tunnel_lose_backend(o->owner, text);
}

/* --- the beginning --- */

static const struct incoming_events incoming_events = {
    .on_body = on_client_bytes,
    .on_body_end = on_client_end,
    .on_body_failed = on_client_failed,
    .on_drained = on_client_drained,
    .on_gone = on_client_gone,
    .on_memory_full = on_memory_full,
};

static const struct outgoing_events outgoing_events = {
    .on_body = on_backend_bytes,
    .on_end = on_backend_end,
    .on_failed = on_backend_failed,
    .on_drained = on_backend_drained,
};

void tunnel_begin(struct tunnel *t)
{
    t->loop = t->attempt->loop;
    t->outgoing = t->attempt->outgoing;
    deadline_init(&t->deadline, on_deadline);
    tunnel_note_moved(t);
    t->in->events = &incoming_events;
    t->in->owner = t;
    incoming_switch(t->in);
    attempt_switch(t->attempt, &outgoing_events, t);
    tunnel_watch(t);
}
