/*
 * An outgoing over a stream of HTTP/2: its states are those of upstream/outgoing.c.
 *
 *   head --> body, while the borrower wants it --> its end
 *              '--else--> held, without new credit for the backend
 *
 * The connection's credit does not wait for that, so that one slow client stops no other stream.
 * The head is read by the rules of HTTP/1.1, of which wire/h2 makes its lines; where the body ends
 * the frames say. The memory goes in a deferred event, never inside a call.
 */
#include "upstream/h2.h"

#include "base/mem.h"
#include "http/reason.h"

static const struct outgoing_ways half_ways;

static struct backend_stream *half_stream(const struct outgoing *o)
{
    return list_entry(o, struct backend_stream, half);
}

static struct backend_stream *of_wire(struct h2_stream *wire)
{
    return list_entry(wire, struct backend_stream, wire);
}

bool outgoing_is_stream(const struct outgoing *o)
{
    return o->ways == &half_ways;
}

/* --- its end --- */

/* It is its connection's no more. The backend sees a reset, unless both messages are complete. */
static void half_leave(struct backend_stream *s, bool was_late)
{
    struct backend_h2 *c = s->connection;

    if (c == NULL)
        return;
    s->connection = NULL;
    outgoing_enter(&s->half, OUTGOING_OVER);
    deadline_clear(&s->half.deadline);
    h2_stream_release(&s->wire);
    response_dispose(&s->response);
    buffer_dispose(&s->held);
    loop_defer(s->half.loop, &s->later);
    backend_h2_note_end(c, was_late);
}

static void half_close(struct outgoing *o)
{
    half_leave(half_stream(o), o->is_late || o->bytes_read == 0); /* nobody knows if it lives */
}

static void half_fail(struct backend_stream *s, enum outgoing_failure failure, const char *text)
{
    struct outgoing *o = &s->half;

    if (o->state == OUTGOING_HELD) {
        s->failure = failure;
        s->why = text;
        return;
    }
    outgoing_enter(o, OUTGOING_OVER);
    o->never_sent = failure == OUTGOING_UNPROCESSED;
    o->events->on_failed(o, failure, text);
}

void backend_stream_return(struct outgoing *o)
{
    DCHECK(o->state == OUTGOING_OVER);
    half_stream(o)->connection->has_served = true;
    half_leave(half_stream(o), false);
}

/* --- the response --- */

static void ignore_body(struct parse *parse, struct slice piece)
{
    (void)parse;
    (void)piece;
}

/* Nobody wants anything of it now. */
static bool half_waits(const struct backend_stream *s)
{
    return s->is_paused || buffer_length(&s->held) > 0;
}

static void half_pass_end(struct backend_stream *s)
{
    outgoing_enter(&s->half, OUTGOING_OVER);
    s->half.events->on_end(&s->half);
}

static void half_take_final(struct backend_stream *s, bool is_end)
{
    struct outgoing *o = &s->half;

    o->size = body_size_of(s->response.framing, s->response.length);
    s->has_no_body = o->size.kind == BODY_NONE;
    if (is_end && !s->has_no_body)
        o->size = (struct body_size){BODY_KNOWN, 0};
    s->has_end = is_end;
    o->events->on_head(o);
    if (s->has_end && o->state == OUTGOING_AWAITING && !half_waits(s))
        half_pass_end(s);
}

void backend_stream_take_head(struct h2_stream *wire, const struct h2_head *head)
{
    struct backend_stream *s = of_wire(wire);
    struct outgoing *o = &s->half;
    struct slice lines = head->lines;

    if (!outgoing_is_live(o))
        return;
    o->bytes_read += lines.length;
    if (head->is_large) {
        half_fail(s, OUTGOING_PROTOCOL, "a head larger than limits.head");
        return;
    }
    if (response_feed(&s->response, &lines) != RESPONSE_HEAD) {
        const char *fault = response_fault_text(&s->response);

        half_fail(s, OUTGOING_PROTOCOL, fault != NULL ? fault : "a malformed head");
        return;
    }
    s->response.parse.head.version = VERSION_2;
    s->response.parse.head.reason =
        slice_of(reason_of(head->status)); /* clients of HTTP/1 read it */
    if (head->status >= 200) {
        half_take_final(s, head->is_end);
        return;
    }
    o->size = (struct body_size){BODY_NONE, 0};
    o->events->on_head(o);
}

static void half_pass(struct backend_stream *s, struct slice piece)
{
    s->half.events->on_body(&s->half, piece);
    if (!outgoing_is_live(&s->half))
        return;
    if (s->is_paused)
        s->owed += piece.length;
    else
        h2_consumed(&s->wire, piece.length);
}

void backend_stream_take_body(struct h2_stream *wire, struct slice piece)
{
    struct backend_stream *s = of_wire(wire);

    if (!outgoing_is_live(&s->half))
        return;
    s->half.bytes_read += piece.length;
    if (s->has_no_body)
        half_fail(s, OUTGOING_PROTOCOL, "a body where none may be");
    else if (half_waits(s))
        buffer_append(&s->held, piece);
    else
        half_pass(s, piece);
}

/* "name: value" lines, which wire/h2 has checked: those that are forwarded, in the arena. */
static struct slice half_trailers(const struct backend_stream *s, struct slice lines)
{
    const struct outgoing_request *request = s->half.request;
    struct slice rest = arena_copy(request->arena, lines), line;
    struct field *fields;
    unsigned count = 0, room = 1;

    for (size_t i = 0; i < rest.length; i++)
        room += rest.start[i] == '\n' ? 1 : 0;
    if (room > request->limits->fields + 2)
        return SLICE(""); /* they may be dropped (RFC 9110, 6.5.1) */
    fields = arena_alloc(request->arena, room * sizeof *fields);
    while (rest.length > 0) {
        line = slice_take_until(&rest, '\n');
        if (line.length > 0 && line.start[line.length - 1] == '\r')
            line.length--;
        if (line.length == 0)
            break;
        fields[count].name = slice_take_until(&line, ':');
        fields[count++].value = slice_trim(line);
    }
    return count == 0 ? SLICE("")
                      : forward_trailers(request->arena, s->half.head, fields, count, NULL);
}

void backend_stream_take_end(struct h2_stream *wire, const struct h2_head *trailers)
{
    struct backend_stream *s = of_wire(wire);

    if (!outgoing_is_live(&s->half))
        return;
    if (trailers != NULL)
        s->half.trailers = half_trailers(s, trailers->lines);
    s->has_end = true;
    if (!half_waits(s))
        half_pass_end(s);
}

/* --- what ends it early --- */

/* Static, as the log has it. */
static const char *text_of_code(enum h2_code code)
{
    static const char *const texts[] = {
        [H2_NO_ERROR] = "the stream was reset before the response was complete",
        [H2_PROTOCOL_ERROR] = "the stream was reset with PROTOCOL_ERROR",
        [H2_INTERNAL_ERROR] = "the stream was reset with INTERNAL_ERROR",
        [H2_FLOW_CONTROL_ERROR] = "the stream was reset with FLOW_CONTROL_ERROR",
        [H2_SETTINGS_TIMEOUT] = "the stream was reset with SETTINGS_TIMEOUT",
        [H2_STREAM_CLOSED] = "the stream was reset with STREAM_CLOSED",
        [H2_FRAME_SIZE_ERROR] = "the stream was reset with FRAME_SIZE_ERROR",
        [H2_REFUSED_STREAM] = "the stream was refused (REFUSED_STREAM)",
        [H2_CANCEL] = "the stream was reset with CANCEL",
        [H2_COMPRESSION_ERROR] = "the stream was reset with COMPRESSION_ERROR",
        [H2_CONNECT_ERROR] = "the stream was reset with CONNECT_ERROR",
        [H2_ENHANCE_YOUR_CALM] = "the stream was reset with ENHANCE_YOUR_CALM",
        [H2_INADEQUATE_SECURITY] = "the stream was reset with INADEQUATE_SECURITY",
        [H2_HTTP_1_1_REQUIRED] = "the stream was reset with HTTP_1_1_REQUIRED",
    };

    return (unsigned)code < sizeof texts / sizeof *texts ? texts[code] : "the stream was reset";
}

static const char *why_broken(const struct backend_stream *s, const char *why)
{
    if (s->connection->tls_fault != NULL)
        return s->connection->tls_fault;
    if (why != NULL && why[0] != '\0')
        return why;
    return s->half.bytes_read == 0 ? "closed before a response"
                                   : "closed in the middle of the response";
}

/* Of a connection that broke. Nobody knows how much of the request the backend has seen: a turn may
 * have several writes, of which the last has failed. */
static enum outgoing_failure failure_of_loss(const struct backend_stream *s)
{
    const struct backend_h2 *c = s->connection;

    if (c->tls_fault != NULL)
        return OUTGOING_TLS;
    if (s->half.bytes_read > 0)
        return OUTGOING_RESET;
    return c->has_served ? OUTGOING_STALE : OUTGOING_RESET;
}

void backend_stream_take_reset(struct h2_stream *wire, const struct h2_reset *reset)
{
    struct backend_stream *s = of_wire(wire);

    if (!outgoing_is_live(&s->half) || s->has_end || s->why != NULL)
        return; /* what is held is the whole response */
    if (reset->cause == H2_BY_CONNECTION && reset->code == H2_CANCEL) { /* h2_lose */
        half_fail(s, failure_of_loss(s), why_broken(s, reset->why));
    } else if (reset->cause == H2_BY_GOAWAY) {
        half_fail(s, OUTGOING_UNPROCESSED, "the connection takes no more requests (GOAWAY)");
    } else if (reset->cause == H2_BY_RULE || reset->cause == H2_BY_CONNECTION) {
        half_fail(s, OUTGOING_PROTOCOL, reset->why);
    } else if (reset->code == H2_REFUSED_STREAM) {
        s->connection->is_refusing = true;
        half_fail(s, OUTGOING_UNPROCESSED, text_of_code(reset->code));
    } else {
        half_fail(s, OUTGOING_RESET, text_of_code(reset->code));
    }
}

void backend_stream_take_drained(struct h2_stream *wire)
{
    struct outgoing *o = &of_wire(wire)->half;

    if (outgoing_is_live(o))
        o->events->on_drained(o);
}

/* --- what was held --- */

static void half_go_on(struct backend_stream *s)
{
    struct outgoing *o = &s->half;

    if (s->why != NULL) {
        half_fail(s, s->failure, s->why);
        return;
    }
    h2_consumed(&s->wire, s->owed);
    s->owed = 0;
    if (buffer_length(&s->held) > 0) {
        struct buffer piece = s->held;

        s->held = (struct buffer){0};
        half_pass(s, buffer_slice(&piece));
        loop_end_event(o->loop); /* it is borrowed */
        buffer_dispose(&piece);
    }
    if (s->has_end && outgoing_is_live(o) && !half_waits(s))
        half_pass_end(s);
}

static void on_later(struct deferred *d)
{
    struct backend_stream *s = list_entry(d, struct backend_stream, later);

    if (s->connection == NULL)
        mem_free(s);
    else if (outgoing_is_live(&s->half) && s->half.state != OUTGOING_HELD && !s->is_paused)
        half_go_on(s);
}

/* --- the ways --- */

static void half_begin(struct outgoing *o)
{
    struct backend_stream *s = half_stream(o);

    s->connection->wire.head_max = (uint32_t)o->request->limits->head;
    response_expect(&s->response, o->request->limits, o->request->arena, o->request->answers_head,
                    false, ignore_body);
}

/* Never: no 101 comes over HTTP/2. */
static void half_switch_over(struct outgoing *o, bool was_held)
{
    CHECK(o == NULL && was_held);
}

static void half_pause(struct outgoing *o)
{
    half_stream(o)->is_paused = true;
}

static void half_resume(struct outgoing *o)
{
    struct backend_stream *s = half_stream(o);

    s->is_paused = false;
    loop_defer(o->loop, &s->later);
}

/* Events say at any time that the backend has left. */
static bool half_is_read(const struct outgoing *o)
{
    (void)o;
    return true;
}

static bool half_is_lost(const struct outgoing *o)
{
    (void)o;
    return false;
}

static void half_release(struct outgoing *o)
{
    struct backend_stream *s = half_stream(o);

    s->is_paused = false;
    half_go_on(s);
}

/* The lines say chunks, of which wire/h2 knows nothing, where the length is not known: so trailers
 * are announced as in HTTP/1. */
static void half_send_head(struct outgoing *o, struct forward_request *request,
                           struct body_size size)
{
    struct backend_stream *s = half_stream(o);

    request->framing = framing_for(size, VERSION_1_1);
    request->length = size.length;
    h2_send_head(&s->wire, forward_request_head(stream_room(o->loop), request),
                 s->connection->stream.tls != NULL ? SLICE("https") : SLICE("http"),
                 body_size_is_empty(size));
}

static void half_send_body(struct outgoing *o, struct slice piece)
{
    h2_send_body(&half_stream(o)->wire, piece);
}

static void half_send_end(struct outgoing *o, struct slice trailers)
{
    struct h2_stream *wire = &half_stream(o)->wire;

    o->has_request = true;
    if (!wire->is_sent)
        h2_send_end(wire, trailers);
}

static void half_flush(struct outgoing *o)
{
    stream_flush(&half_stream(o)->connection->stream);
}

static size_t half_backlog(const struct outgoing *o)
{
    return h2_backlog(&half_stream(o)->wire);
}

static uint32_t half_unsent(const struct outgoing *o)
{
    return (uint32_t)half_backlog(o);
}

static size_t half_held_bytes(const struct outgoing *o)
{
    const struct backend_stream *s = half_stream(o);

    return mem_size(s->held.bytes) + h2_stream_bytes(&s->wire);
}

static const struct outgoing_ways half_ways = {
    .begin = half_begin,
    .close = half_close,
    .reset = half_close,
    .switch_over = half_switch_over,
    .pause = half_pause,
    .resume = half_resume,
    .is_read = half_is_read,
    .is_lost = half_is_lost,
    .release = half_release,
    .send_head = half_send_head,
    .send_body = half_send_body,
    .send_end = half_send_end,
    .flush = half_flush,
    .backlog = half_backlog,
    .unsent = half_unsent,
    .held_bytes = half_held_bytes,
};

struct outgoing *backend_stream_new(struct backend_h2 *c)
{
    struct backend_stream *s = mem_zalloc(sizeof *s);

    s->connection = c;
    outgoing_init(&s->half, &half_ways, c->stream.loop);
    s->half.head = &s->response.parse.head;
    s->half.trailers = SLICE("");
    deferred_init(&s->later, on_later);
    h2_open_stream(&c->wire, &s->wire);
    backend_h2_note_stream(c);
    return &s->half;
}
