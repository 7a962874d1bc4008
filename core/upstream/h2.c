/*
 *   opening --connected--> taking streams --GOAWAY, retired--> ending --no stream is left--> closed
 *      '--------------------------'------------ broken, idle for long -------------------------^
 *
 * In the list of its sharing while it takes streams. It frees itself when its close is over.
 */
#include "upstream/h2.h"

#include "base/mem.h"

enum {
    STREAM_WINDOW = 65535,
    STREAM_WINDOW_TOP = 256 * 1024,
    CONNECTION_WINDOW = 1024 * 1024,
    HEAD_MAX = 65536, /* until the first request says what limits.head is */
    LATE_MAX = 3,
};

static struct backend_h2 *of_stream(struct stream *s)
{
    return list_entry(s, struct backend_h2, stream);
}

static void note_idle(struct backend_h2 *c, bool is_idle)
{
    if (c->is_idle != is_idle)
        c->sharing->events->on_idle(c->sharing->owner, is_idle ? 1 : -1);
    c->is_idle = is_idle;
}

/* --- its end --- */

static void backend_h2_leave(struct backend_h2 *c, const char *why)
{
    if (c->stream.is_closing)
        return;
    c->opening = NULL;
    note_idle(c, false);
    list_remove(&c->node);
    deadline_clear(&c->rest);
    deadline_clear(&c->pong);
    stream_flush(&c->stream);
    stream_close(&c->stream);
    if (c->is_begun)
        h2_lose(&c->wire, why);
    sharing_on_room(c->sharing);
}

void backend_h2_close(struct backend_h2 *c)
{
    backend_h2_leave(c, "closed");
}

static bool takes_streams(const struct backend_h2 *c)
{
    return list_has_node(&c->node);
}

bool backend_h2_is_outdated(const struct backend_h2 *c)
{
    const struct tls *tls = c->stream.tls;

    return tls != NULL && tls->target_version != c->sharing->target->version;
}

void backend_h2_retire(struct backend_h2 *c)
{
    list_remove(&c->node);
    if (c->streams > 0)
        return;
    if (c->is_begun)
        h2_goaway(&c->wire, H2_NO_ERROR, "idle");
    backend_h2_close(c);
}

/* A stream may be held, or have all of its response, when the connection is lost. */
static void backend_h2_free_if_over(struct backend_h2 *c)
{
    struct sharing *sharing = c->sharing;

    if (!c->is_closed || c->streams > 0)
        return;
    if (c->is_begun)
        h2_dispose(&c->wire);
    mem_free(c);
    sharing->events->on_closed(sharing->owner);
}

static void on_closed(struct stream *s)
{
    of_stream(s)->is_closed = true;
    backend_h2_free_if_over(of_stream(s));
}

/* --- its streams --- */

bool backend_h2_has_room(const struct backend_h2 *c)
{
    uint32_t first = c->sharing->peer_max; /* it will say the same again */

    if (first == 0 || first > FIRST_STREAMS)
        first = FIRST_STREAMS;
    return takes_streams(c) && !c->is_refusing && c->streams < c->sharing->streams_max &&
           c->wire.open_streams < c->sharing->streams_max && /* with those that still send */
           h2_may_open(&c->wire, first);
}

void backend_h2_note_stream(struct backend_h2 *c)
{
    c->streams++;
    note_idle(c, false);
    deadline_clear(&c->rest);
    list_remove(&c->node);
    list_prepend(&c->sharing->connections, &c->node);
}

/* Does it live? Nothing came since several streams were given up. */
static void backend_h2_doubt(struct backend_h2 *c)
{
    if (++c->late < LATE_MAX || deadline_is_set(&c->pong))
        return;
    h2_ping(&c->wire);
    deadline_set(c->stream.loop, &c->pong, c->sharing->connect_ms);
}

static void backend_h2_rest(struct backend_h2 *c)
{
    note_idle(c, true);
    deadline_set(c->stream.loop, &c->rest, c->sharing->idle_ms);
}

void backend_h2_note_end(struct backend_h2 *c, bool was_late)
{
    c->streams--;
    c->is_refusing = false;
    if (c->stream.is_closing) {
        backend_h2_free_if_over(c);
        return;
    }
    if (was_late)
        backend_h2_doubt(c);
    if (c->streams == 0 && (!takes_streams(c) || c->sharing->is_closing))
        backend_h2_retire(c);
    else if (c->streams == 0)
        backend_h2_rest(c);
    sharing_on_room(c->sharing);
}

static void on_rest_over(struct deadline *d)
{
    backend_h2_retire(list_entry(d, struct backend_h2, rest));
}

static void on_no_pong(struct deadline *d)
{
    backend_h2_leave(list_entry(d, struct backend_h2, pong),
                     "no answer to a PING within timeouts.connect");
}

/* --- the events of its frames --- */

static void on_goaway(struct h2 *wire, enum h2_code code)
{
    (void)code;
    backend_h2_retire(wire->owner);
}

static void on_settings(struct h2 *wire)
{
    struct backend_h2 *c = wire->owner;

    c->sharing->peer_max = wire->peer_streams;
    sharing_on_room(c->sharing);
}

static void on_broken(struct h2 *wire, enum h2_code code, const char *why)
{
    (void)code;
    backend_h2_leave(wire->owner, why);
}

static const struct h2_events h2_events = {
    .on_head = backend_stream_take_head,
    .on_body = backend_stream_take_body,
    .on_end = backend_stream_take_end,
    .on_reset = backend_stream_take_reset,
    .on_drained = backend_stream_take_drained,
    .on_goaway = on_goaway,
    .on_settings = on_settings,
    .on_broken = on_broken,
};

static const struct h2_kind h2_kind = {
    .events = &h2_events,
    .role = H2_CLIENT,
    .stream_window = STREAM_WINDOW,
    .stream_window_top = STREAM_WINDOW_TOP,
    .connection_window = CONNECTION_WINDOW,
};

/* --- the events of its bytes --- */

static void on_bytes(struct stream *s, struct slice bytes)
{
    struct backend_h2 *c = of_stream(s);

    c->late = 0;
    deadline_clear(&c->pong);
    h2_feed(&c->wire, bytes);
}

static void on_end(struct stream *s, int status)
{
    struct backend_h2 *c = of_stream(s);

    if (status == UV_EPROTO && s->tls != NULL)
        c->tls_fault = s->tls->why;
    backend_h2_leave(c, status == 0 || status == STREAM_CUT ? "" : uv_strerror(status));
}

static void on_drained(struct stream *s)
{
    h2_drained(&of_stream(s)->wire);
}

static void on_connected(struct stream *s, int status)
{
    struct backend_h2 *c = of_stream(s);

    if (c->opening == NULL)
        return;
    if (status != 0 || !tls_target_is_set(c->sharing->target)) {
        sharing_on_opened(c->opening, c, status);
        return;
    }
    sharing_on_reached(c->opening, c);
    stream_secure_to(s, c->sharing->target);
}

static void on_secured(struct stream *s, enum tls_refusal refusal)
{
    struct backend_h2 *c = of_stream(s);
    int status = 0;

    if (c->opening == NULL)
        return;
    if (refusal == TLS_REFUSED_MEMORY)
        status = UV_ENOMEM;
    else if (refusal != TLS_REFUSED_NOT)
        c->tls_fault = s->tls->why;
    else if (!slice_is(s->tls->said.alpn, SLICE("h2")))
        c->tls_fault = "the backend does not agree to HTTP/2 (ALPN h2)";
    sharing_on_opened(c->opening, c, c->tls_fault != NULL ? UV_EPROTO : status);
}

static const struct stream_events stream_events = {
    .on_connected = on_connected,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_secured = on_secured,
    .on_drained = on_drained,
    .on_closed = on_closed,
    .reads_to_the_end = true,
};

int backend_h2_open(struct backend_h2 **out, struct sharing *sharing, const struct sockaddr *to,
                    struct sharing_opening *opening)
{
    struct backend_h2 *c = mem_zalloc(sizeof *c);
    int status;

    c->sharing = sharing;
    c->opening = opening;
    list_init(&c->node);
    deadline_init(&c->rest, on_rest_over);
    deadline_init(&c->pong, on_no_pong);
    status = stream_connect(&c->stream, sharing->loop, to, &stream_events);
    sharing->events->on_begun(sharing->owner);
    *out = c;
    if (status != 0)
        backend_h2_close(c);
    return status;
}

void backend_h2_begin(struct backend_h2 *c)
{
    c->opening = NULL;
    c->is_begun = true;
    h2_begin(&c->wire, &c->stream, &h2_kind, c, HEAD_MAX);
    list_prepend(&c->sharing->connections, &c->node);
    backend_h2_rest(c);
    stream_read(&c->stream);
}
