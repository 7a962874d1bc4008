/*
 * A stream's request:
 *
 *   head --> body, while the exchange wants it --> its end
 *               '--else--> kept, without new credit for the client
 *
 * The head is read by the rules of HTTP/1.1, of which wire/h2 makes its lines. Where the body ends
 * the frames say, not the lines.
 */
#include "client/admission.h"
#include "client/h2.h"
#include "client/patience.h"
#include "http/websocket.h"

enum { EARLY_PIECE_BYTES = 16384 };

/* --- the head --- */

static void stream_refuse(struct client_stream *s, enum incoming_fault fault, const char *text)
{
    s->in.client->clients->events->on_bad_request(s->in.client->clients, &s->in, fault, text);
}

void client_stream_note_bad(struct client *c, uint32_t id, enum incoming_fault fault,
                            const char *text)
{
    struct client_stream *s = client_stream_new(c);

    s->is_closed = s->in.is_unheard = s->in.body_complete = true;
    s->in.stream_id = id;
    s->in.began_us = loop_event_us(c->stream.loop);
    s->in.parse.head.version = VERSION_2;
    stream_refuse(s, fault, text);
}

/* A backend of HTTP/1.1 asks for a key (RFC 6455, 4.1), which HTTP/2 has not (RFC 8441, 5). */
static struct slice stream_add_key(struct client_stream *s, struct slice lines)
{
    static const char name[] = "\r\nsec-websocket-key: ", end[] = "\r\n\r\n";
    enum { NAME = sizeof name - 1, END = sizeof end - 1 };
    size_t kept = lines.length - END;
    char *text = arena_alloc(&s->in.arena, kept + NAME + WEBSOCKET_KEY_BYTES + END);

    if (memmem(lines.start, lines.length, name, NAME - 1) != NULL)
        return lines;
    memcpy(text, lines.start, kept);
    memcpy(text + kept, name, NAME);
    websocket_make_key(text + kept + NAME);
    memcpy(text + kept + NAME + WEBSOCKET_KEY_BYTES, end, END);
    return (struct slice){text, kept + NAME + WEBSOCKET_KEY_BYTES + END};
}

/* False: it was answered. */
static bool stream_parse(struct client_stream *s, const struct h2_head *head)
{
    struct parse *p = &s->in.parse;
    struct slice lines = head->lines;
    size_t used;

    if (head->protocol.length > 0)
        lines = stream_add_key(s, lines);
    if (parse_feed(p, lines, &used) != PARSE_HEAD) {
        p->head.version = VERSION_2;
        stream_refuse(s, head->is_large ? INCOMING_LARGE_HEAD : client_fault_of(p->error),
                      p->why != NULL ? p->why : "malformed");
        return false;
    }
    if (head->is_large) {
        p->head.version = VERSION_2;
        stream_refuse(s, INCOMING_LARGE_HEAD, "the head is larger than limits.head");
        return false;
    }
    return true;
}

/* Of a head without errors: where the body ends, and what a proxy may do. */
static enum request_fault stream_check(struct client_stream *s, const struct h2_head *head)
{
    struct incoming *in = &s->in;
    enum request_fault fault = request_check(&in->parse.head, &in->arena, &in->request);

    in->parse.head.version = VERSION_2;
    if (fault != REQUEST_OK || head->is_end)
        return fault;
    if (head->protocol.length > 0) {
        s->asks_switch = true; /* no body, but a tunnel; wants_upgrade is set */
        if (head->has_length)
            return REQUEST_BAD_FRAMING;
    } else if (!head->has_length) {
        if (slice_is(in->parse.head.method, SLICE("TRACE")))
            return REQUEST_TRACE_WITH_BODY;
        in->request.framing = FRAMING_CHUNKED; /* its length is not known */
    }
    return REQUEST_OK;
}

/* Is it refused for what its client does besides? */
static bool stream_is_refused(struct client_stream *s, const struct h2_head *head)
{
    if (s->in.client->is_refused) {
        stream_refuse(s, INCOMING_TOO_MANY, "more connections than limits.per_client");
        h2_client_drain(s->in.client);
    } else if (head->protocol.length > 0 && !slice_is(head->protocol, SLICE("websocket"))) {
        stream_refuse(s, INCOMING_NOT_IMPLEMENTED, "a :protocol that is not websocket");
    } else if (!admission_admits_request(&s->in)) {
        stream_refuse(s, INCOMING_TOO_MANY, "more requests than limits.per_client_requests");
    } else {
        return false;
    }
    return true;
}

void client_stream_take_head(struct h2_stream *stream, const struct h2_head *head)
{
    struct client_stream *s = client_stream_of_wire(stream);
    struct incoming *in = &s->in;
    struct client *c = in->client;
    enum request_fault fault;

    in->began_us = loop_event_us(c->stream.loop);
    in->stream_id = stream->id;
    if (!stream_parse(s, head))
        return;
    fault = stream_check(s, head);
    in->body_complete = head->is_end || s->asks_switch;
    if (fault != REQUEST_OK) {
        stream_refuse(s,
                      request_fault_status(fault) == 501 ? INCOMING_NOT_IMPLEMENTED : INCOMING_BAD,
                      request_fault_text(fault, &in->parse.head));
        return;
    }
    if (stream_is_refused(s, head))
        return;
    in->awaits_continue =
        !in->body_complete && head_lists(&in->parse.head, FIELD_EXPECT, SLICE("100-continue"));
    in->body_follows = !in->body_complete && !in->awaits_continue;
    in->is_first = !c->has_served;
    c->has_served = true;
    if (!in->body_complete)
        client_stream_watch(s);
    c->clients->events->on_request(c->clients, in);
    in->body_follows = false;
}

/* --- the body --- */

/* Nobody wants it now: the client has no credit for it until then. */
static bool stream_keeps(const struct client_stream *s)
{
    return !s->in.is_done &&
           (s->is_paused || buffer_length(&s->early) > 0 || (s->asks_switch && !s->is_tunnel));
}

/* The exchange has it; new credit follows when it wants more. */
static void stream_pass(struct client_stream *s, struct slice piece)
{
    struct incoming *in = &s->in;

    in->body_bytes += piece.length;
    in->awaits_continue = false;
    if (!in->is_done)
        in->events->on_body(in, piece);
    if (s->is_paused && !in->is_done)
        s->owed += piece.length;
    else if (!s->is_closed)
        h2_consumed(&s->stream, piece.length);
}

void client_stream_take_body(struct h2_stream *stream, struct slice piece)
{
    struct client_stream *s = client_stream_of_wire(stream);

    if (stream_keeps(s)) {
        buffer_append(&s->early, piece);
        return;
    }
    stream_pass(s, piece);
    if (s->in.is_done)
        return;
    if (client_stream_sends_too_slowly(s))
        client_stream_fail_body(
            s, INCOMING_TIMED_OUT,
            patience_why(&(struct patience_seen){.state = PATIENCE_BODY, .is_slow = true}));
    else
        client_stream_watch(s);
}

static void stream_pass_end(struct client_stream *s)
{
    struct incoming *in = &s->in;

    in->body_complete = true;
    if (in->is_done)
        return;
    client_stream_watch(s);
    in->events->on_body_end(in);
}

/* "name: value" lines to fields, in the arena. wire/h2 has checked each of them. */
static void stream_take_trailers(struct client_stream *s, struct slice lines)
{
    struct parse *p = &s->in.parse;
    struct slice rest = arena_copy(&s->in.arena, lines), line;
    unsigned room = 0;

    for (size_t i = 0; i < rest.length; i++)
        room += rest.start[i] == '\n' ? 1 : 0;
    if (room > p->limits->fields + 1)
        return; /* they may be dropped (RFC 9110, 6.5.1) */
    p->trailers = arena_alloc(&s->in.arena, (room + 1) * sizeof *p->trailers);
    while (rest.length > 0) {
        line = slice_take_until(&rest, '\n');
        while (line.length > 0 && line.start[line.length - 1] == '\r')
            line.length--;
        if (line.length == 0)
            break;
        struct field *field = &p->trailers[p->trailers_count++];

        field->name = slice_take_until(&line, ':');
        field->value = slice_trim(line);
    }
}

void client_stream_take_end(struct h2_stream *stream, const struct h2_head *trailers)
{
    struct client_stream *s = client_stream_of_wire(stream);

    if (trailers != NULL && !s->in.is_done && !s->asks_switch)
        stream_take_trailers(s, trailers->lines);
    s->has_end = true;
    if (buffer_length(&s->early) == 0 && (!s->asks_switch || s->is_tunnel))
        stream_pass_end(s);
}

/* What came early, as long as it is wanted, then the end behind it. */
void client_stream_pass_early(struct client_stream *s)
{
    struct loop *loop = client_stream_loop(s);

    while (buffer_length(&s->early) > 0 && !s->is_paused && !s->in.is_done) {
        struct slice piece = buffer_slice(&s->early);

        if (piece.length > EARLY_PIECE_BYTES)
            piece.length = EARLY_PIECE_BYTES;
        stream_pass(s, piece);
        loop_end_event(loop); /* it is borrowed */
        buffer_consume(&s->early, piece.length);
    }
    if (s->in.is_done || buffer_length(&s->early) > 0)
        return;
    buffer_dispose(&s->early);
    if (s->has_end)
        stream_pass_end(s);
    else
        client_stream_watch(s);
}
