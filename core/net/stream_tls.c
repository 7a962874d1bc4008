#include "net/stream_tls.h"

#include "net/tls_connect.h"
#include "net/tls_handshake.h"

enum { LOOK_BYTES = 4096 };

void stream_report_end(struct stream *s, int status)
{
    if (s->tls != NULL && s->tls->target != NULL && tls_connect_is_cut(s->tls, status))
        s->events->on_secured(s, s->tls->refusal);
    else
        s->events->on_end(s, status);
}

bool stream_report_kept(struct stream *s)
{
    struct buffer kept = tls_take_kept(s->tls);

    s->events->on_bytes(s, buffer_slice(&kept));
    loop_end_event(s->loop); /* they are borrowed until then */
    buffer_dispose(&kept);
    return !s->is_closing && s->wants_kept;
}

/* The peer says no more: as the end is read that is reported which a pause has held back. */
static void stream_take_end(struct stream *s)
{
    bool may_report = s->is_reading;

    stream_pause(s);
    s->has_ended = true;
    s->tls->end_waits = !may_report;
    if (may_report)
        stream_report_end(s, 0);
}

static void stream_report_secured(struct stream *s)
{
    s->events->on_secured(s, s->tls->refusal);
    loop_end_event(s->loop);
}

/* What came of bytes over TLS, event by event. */
static void stream_follow(struct stream *s, const struct tls_took *took)
{
    stream_send_sealed(s);
    if (took->opens || took->refuses)
        stream_report_secured(s);
    if (took->plain.length > 0 && !s->is_closing) {
        s->events->on_bytes(s, took->plain);
        loop_end_event(s->loop);
    }
    if (took->has_ended && !s->is_closing)
        stream_take_end(s);
    if (took->is_broken && !s->is_closing) {
        stream_pause(s);
        s->has_ended = true;
        stream_fail(s, UV_EPROTO);
    }
}

/* What tls_look has found in these bytes. */
static enum socket_look stream_keep(struct stream *s, struct slice sealed)
{
    static const enum socket_look looks[] = {[TLS_LOOK_QUIET] = SOCKET_QUIET,
                                             [TLS_LOOK_BYTES] = SOCKET_BYTES,
                                             [TLS_LOOK_END] = SOCKET_END,
                                             [TLS_LOOK_BROKEN] = SOCKET_BROKEN};
    bool was_read = s->is_reading;
    enum tls_look look = tls_look(s->tls, sealed);

    stream_send_sealed(s);
    if (s->tls->state == TLS_ENDED || s->tls->state == TLS_BROKEN) {
        stream_pause(s);
        s->has_ended = true;
    }
    s->wants_kept = was_read;
    if (s->tls->state == TLS_BROKEN)
        stream_fail(s, UV_EPROTO);
    else
        s->tls->end_waits = s->tls->state == TLS_ENDED;
    if (was_read && look != TLS_LOOK_QUIET)
        loop_defer(s->loop, &s->failed);
    return looks[look];
}

enum socket_look stream_look_sealed(struct stream *s)
{
    char sealed[LOOK_BYTES];
    enum socket_look look = SOCKET_QUIET;

    if (stream_has_kept(s))
        return SOCKET_BYTES;
    if (s->tls->state != TLS_OPEN)
        return socket_look(stream_fd(s));
    while (look == SOCKET_QUIET) {
        ssize_t length = socket_read(stream_fd(s), sealed, sizeof sealed);

        if (length == UV_EAGAIN)
            break;
        if (length <= 0)
            return length == 0 ? SOCKET_END : SOCKET_BROKEN;
        look = stream_keep(s, (struct slice){sealed, (size_t)length});
    }
    return look;
}

void stream_take_sealed(struct stream *s, struct slice sealed)
{
    struct tls_took took = {.opens = false};

    /* Opened before anything is reported: what that calls may look for more. */
    if (stream_has_kept(s)) {
        stream_keep(s, sealed);
        return;
    }
    if (s->tls->state >= TLS_OPEN)
        tls_unseal(s->tls, sealed, &took);
    else if (s->tls->target != NULL)
        tls_connect_take(s->tls, sealed, &took);
    else
        tls_handshake_take(s->tls, sealed, &took);
    stream_follow(s, &took);
    if (s->tls->state == TLS_SHAKING && list_has_node(&s->tls->turn))
        stream_hold(s);
}

void stream_on_turn(struct tls *t)
{
    struct tls_took took = {.opens = false};

    if (t->target != NULL)
        tls_connect_continue(t, &took);
    else
        tls_handshake_continue(t, &took);
    stream_follow(t->owner, &took);
    stream_go_on(t->owner);
}
