/*
 * client/incoming.h for a stream of HTTP/2:
 *
 *   interim heads --> final head --> body --> end
 *                '-> 200 for 101: bytes, both ways --> an end of each side, or RST_STREAM
 *
 * What cannot be completed gets RST_STREAM, never an end; a gRPC call gets the status UNAVAILABLE,
 * as its client would take RST_STREAM for INTERNAL, which nobody tries again.
 */
#include "client/h2.h"
#include "http/grpc.h"

/* A 2xx says that there is a tunnel (RFC 8441, 5), but the backend has agreed to none. */
static void stream_refuse_switch(struct client_stream *s, struct forward_response *response,
                                 struct head *copy)
{
    if (!s->asks_switch || response->head->status < 200 || response->head->status > 299)
        return;
    *copy = *response->head;
    copy->status = 502;
    response->head = copy;
}

static void send_lines(struct client_stream *s, const struct forward_response *response,
                       bool is_end)
{
    struct slice lines = forward_response_head(stream_room(client_stream_loop(s)), response);

    h2_send_head(&s->stream, lines, (struct slice){"", 0}, is_end);
}

/* A 101 becomes a 200 (RFC 8441, 5). */
static void send_switch(struct client_stream *s, struct forward_response *response)
{
    static struct field dropped = {.name = {"sec-websocket-accept", 20}};
    static const struct field_changes changes = {.list = &dropped, .count = 1, .bytes = 20};
    struct head head = *response->head;

    head.status = 200;
    response->head = &head;
    response->changes = &changes;
    response->framing = FRAMING_UNTIL_CLOSE;
    send_lines(s, response, false);
}

static void send_head(struct incoming *in, struct forward_response *response, struct body_size size)
{
    struct client_stream *s = client_stream_of(in);
    unsigned status = response->head->status;
    struct head refused;

    response->client_version = VERSION_2;
    if (s->is_closed)
        return;
    if (status == 101) {
        send_switch(s, response);
    } else if (status < 200) {
        send_lines(s, response, false);
    } else {
        stream_refuse_switch(s, response, &refused);
        in->has_answered = true;
        response->framing = framing_for(size, VERSION_2);
        response->length = size.length;
        s->is_counted = size.kind == BODY_KNOWN;
        s->ends_counted = s->is_counted && response->head->version < VERSION_2;
        s->left = size.length;
        send_lines(s, response, body_size_is_empty(size)); /* gRPC: "Trailers-Only" */
    }
}

static void send_body(struct incoming *in, struct slice piece)
{
    struct client_stream *s = client_stream_of(in);

    if (s->is_closed || piece.length == 0)
        return;
    if (s->is_counted && piece.length > s->left) { /* it would be another answer's */
        client_stream_close(s, H2_INTERNAL_ERROR);
        return;
    }
    s->left -= s->is_counted ? piece.length : 0;
    if (s->ends_counted && s->left == 0)
        h2_send_last_body(&s->stream, piece);
    else
        h2_send_body(&s->stream, piece);
}

static void send_end(struct incoming *in, struct slice trailers)
{
    struct client_stream *s = client_stream_of(in);

    if (s->is_closed || s->stream.is_sent)
        return;
    if (s->is_counted && s->left > 0)
        client_stream_close(s, H2_INTERNAL_ERROR);
    else
        h2_send_end(&s->stream, trailers);
}

static void begin_reply(struct incoming *in)
{
    in->has_answered = true;
}

static void send_reply(struct incoming *in, struct slice head, struct slice body)
{
    struct client_stream *s = client_stream_of(in);

    if (s->is_closed)
        return;
    if (s->asks_switch && slice_begins(head, SLICE("HTTP/1.1 2"))) { /* it would be a tunnel */
        head = SLICE("HTTP/1.1 502 Bad Gateway\r\n\r\n");
        body.length = 0;
    }
    h2_send_head(&s->stream, head, (struct slice){"", 0}, body.length == 0);
    if (body.length > 0)
        h2_send_last_body(&s->stream, body);
}

static size_t backlog(const struct incoming *in)
{
    const struct client_stream *s = client_stream_of(in);

    return s->is_closed ? 0 : h2_backlog(&s->stream);
}

static uint32_t unsent(const struct incoming *in)
{
    return (uint32_t)backlog(in);
}

static struct stream *bare(struct incoming *in)
{
    (void)in;
    return NULL;
}

static void pause_body(struct incoming *in)
{
    struct client_stream *s = client_stream_of(in);

    if (s->is_paused || (in->body_complete && !s->is_tunnel))
        return;
    s->is_paused = true;
    rate_rest(&in->sent, client_stream_now_ms(s), in->body_bytes);
    client_stream_watch(s);
}

static void resume_body(struct incoming *in)
{
    struct client_stream *s = client_stream_of(in);

    if (!s->is_paused)
        return;
    s->is_paused = false;
    if (s->owed > 0 && !s->is_closed)
        h2_consumed(&s->stream, s->owed);
    s->owed = 0;
    if (buffer_length(&s->early) > 0)
        client_stream_resume_later(s);
    else
        client_stream_watch(s);
}

static bool is_read(const struct incoming *in)
{
    (void)in;
    return true;
}

static bool is_lost(const struct incoming *in)
{
    (void)in;
    return false;
}

static void send_continue(struct incoming *in)
{
    struct client_stream *s = client_stream_of(in);

    in->awaits_continue = false;
    in->has_continue = true;
    if (!s->is_closed)
        h2_send_head(&s->stream, SLICE("HTTP/1.1 100 Continue\r\n\r\n"), (struct slice){"", 0},
                     false);
    client_stream_watch(s);
}

static void stream_end(struct client_stream *s)
{
    CHECK(!s->in.is_done);
    s->in.is_done = true;
    client_stream_watch(s);
    client_stream_resume_later(s);
}

static void done(struct incoming *in)
{
    stream_end(client_stream_of(in));
}

/* Has the answer of a gRPC call begun, and can its status still say that it broke off? Not behind
 * bytes that wait for the client: they would stay. */
static bool status_may_follow(const struct client_stream *s)
{
    return s->in.has_answered && !s->is_closed && !s->is_counted && !s->stream.is_sent &&
           h2_backlog(&s->stream) == 0 && grpc_is(incoming_head(&s->in));
}

/* A tunnel may end in peace, and then both sides have said so. */
static void cut(struct incoming *in)
{
    struct client_stream *s = client_stream_of(in);

    if (!s->is_tunnel && status_may_follow(s))
        h2_send_end(&s->stream, GRPC_BROKE_OFF);
    else if (!s->is_tunnel)
        client_stream_close(s, H2_INTERNAL_ERROR);
    else if (in->needs_reset)
        client_stream_close(s, H2_CANCEL);
    else
        send_end(in, (struct slice){"", 0});
    stream_end(s);
}

static void switches(struct incoming *in)
{
    struct client_stream *s = client_stream_of(in);

    in->has_answered = true;
    s->is_tunnel = true;
    s->is_paused = s->is_counted = s->ends_counted = false;
    client_stream_watch(s);
    client_stream_resume_later(s);
}

const struct incoming_ways client_stream_ways = {
    .send_head = send_head,
    .send_body = send_body,
    .send_end = send_end,
    .begin_reply = begin_reply,
    .send_reply = send_reply,
    .backlog = backlog,
    .unsent = unsent,
    .bare = bare,
    .pause = pause_body,
    .resume = resume_body,
    .is_read = is_read,
    .is_lost = is_lost,
    .send_continue = send_continue,
    .watch = client_stream_watch_answer,
    .done = done,
    .cut = cut,
    .switches = switches,
};
