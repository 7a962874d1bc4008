#include "admin/peer.h"

#include "admin/guard.h"
#include "base/date.h"
#include "base/mem.h"
#include "http/reason.h"
#include "http/write.h"

enum {
    HEAD_MS = 10000,   /* for a whole request */
    IDLE_MS = 60000,   /* between two */
    TAKE_MS = 30000,   /* for taking an answer */
    LEAVE_MS = 2000,   /* for its end behind ours */
    EARLY_MAX = 16384, /* bytes that come before they are wanted */
    CHUNK_LINE_MAX = 18,
};

static const struct parse_limits limits = {.request_line = 4096, .head = 16384, .fields = 64};

static void peer_enter(struct peer *p, enum peer_state state, uint64_t within_ms)
{
    p->state = state;
    deadline_set(p->stream.loop, &p->limit, within_ms);
}

/* --- the end --- */

static void peer_close(struct peer *p)
{
    deadline_clear(&p->limit);
    deadline_clear(&p->turn);
    stream_close(&p->stream);
}

static void on_closed(struct stream *stream)
{
    struct peer *p = list_entry(stream, struct peer, stream);

    parse_dispose(&p->parse);
    arena_dispose(&p->arena);
    buffer_dispose(&p->body);
    buffer_dispose(&p->early);
    buffer_dispose(&p->out);
    list_remove(&p->node);
    p->on_gone(p);
}

static void on_limit(struct deadline *d)
{
    peer_close(list_entry(d, struct peer, limit));
}

static void peer_leave(struct peer *p)
{
    stream_finish(&p->stream);
    peer_enter(p, PEER_LEAVING, LEAVE_MS);
}

bool peer_leaves_if_idle(struct peer *p)
{
    bool is_idle =
        p->state == PEER_READING && parse_is_at_start(&p->parse) && !p->stream.is_closing;

    if (is_idle)
        peer_close(p);
    return is_idle;
}

/* --- the answer --- */

static void on_body(struct parse *parse, struct slice piece)
{
    struct peer *p = list_entry(parse, struct peer, parse);

    if (buffer_length(&p->body) + piece.length > ANSWER_BODY_MAX)
        p->is_large = true;
    else
        buffer_append(&p->body, piece);
}

static void peer_expect(struct peer *p)
{
    parse_dispose(&p->parse);
    arena_dispose(&p->arena);
    arena_init(&p->arena, NULL, 0);
    buffer_dispose(&p->body);
    parse_init_request(&p->parse, &limits, &p->arena, on_body);
    p->is_large = false;
    peer_enter(p, PEER_READING, IDLE_MS);
}

static bool is_head_only(const struct peer *p)
{
    return slice_is(p->answer.method, SLICE("HEAD"));
}

static void put_head(struct peer *p, struct buffer *head, size_t length)
{
    const struct answer *a = &p->answer;
    struct slice date = date_now();

    p->is_chunked = !p->is_over && p->parse.head.version == VERSION_1_1;
    p->closes = p->closes || (!p->is_over && !p->is_chunked);
    buffer_printf(head, "HTTP/1.1 %u %s\r\nDate: %.*s\r\nContent-Type: %s\r\n", a->status,
                  reason_of(a->status), (int)date.length, date.start, a->type);
    buffer_append_text(head, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    if (a->status == 401)
        buffer_append_text(head, "WWW-Authenticate: Bearer\r\n");
    if (a->allow != NULL)
        buffer_printf(head, "Allow: %s\r\n", a->allow);
    if (a->fields != NULL)
        buffer_append_text(head, a->fields);
    if (p->is_over)
        buffer_printf(head, "Content-Length: %zu\r\n", length);
    else if (p->is_chunked)
        buffer_append_text(head, "Transfer-Encoding: chunked\r\n");
    buffer_append_text(head, p->closes ? "Connection: close\r\n\r\n" : "\r\n");
}

/* What the route has written, with what belongs around it. */
static void peer_send(struct peer *p)
{
    struct slice piece = buffer_slice(&p->out);
    struct buffer head = {0};
    char line[CHUNK_LINE_MAX];
    uv_buf_t parts[4];
    unsigned count = 0;
    size_t line_length;

    if (!p->has_head) {
        put_head(p, &head, piece.length);
        parts[count++] =
            uv_buf_init((char *)buffer_slice(&head).start, (unsigned)buffer_length(&head));
        p->has_head = true;
    }
    if (is_head_only(p)) {
        p->is_over = true;
    } else {
        if (p->is_chunked && piece.length > 0) {
            line_length = write_chunk_size(line, piece.length);
            parts[count++] = uv_buf_init(line, (unsigned)line_length);
        }
        if (piece.length > 0)
            parts[count++] = uv_buf_init((char *)piece.start, (unsigned)piece.length);
        if (p->is_chunked)
            parts[count++] = piece.length == 0 ? uv_buf_init("0\r\n\r\n", 5)
                             : p->is_over      ? uv_buf_init("\r\n0\r\n\r\n", 7)
                                               : uv_buf_init("\r\n", 2);
    }
    if (count > 0)
        stream_write(&p->stream, parts, count);
    buffer_dispose(&head);
    if (buffer_length(&p->out) > 0 || p->is_over)
        buffer_dispose(&p->out);
}

static void peer_read_early(struct peer *);

static void peer_finish(struct peer *p)
{
    if (p->closes) {
        peer_leave(p);
    } else {
        peer_expect(p);
        peer_read_early(p);
    }
}

/* The next piece, if the client has taken the one before. */
static void on_turn(struct deadline *d)
{
    struct peer *p = list_entry(d, struct peer, turn);
    enum answer_step step;

    if (p->state != PEER_ANSWERING || stream_backlog(&p->stream) > 0)
        return; /* on_drained goes on */
    if (p->is_over) {
        peer_finish(p);
        return;
    }
    step = p->route->write(&p->answer, &p->out);
    if (step == ANSWER_PASSED) {
        peer_close(p);
        return;
    }
    p->is_over = step == ANSWER_DONE;
    if (buffer_length(&p->out) > 0 || p->is_over)
        peer_send(p);
    if (p->answer.is_endless || step == ANSWER_WAITS)
        deadline_set(p->stream.loop, &p->limit, TAKE_MS);
    deadline_set(p->stream.loop, &p->turn, step == ANSWER_WAITS ? p->answer.wait_ms : 0);
}

static void on_drained(struct stream *stream)
{
    struct peer *p = list_entry(stream, struct peer, stream);

    if (p->state == PEER_ANSWERING && !deadline_is_set(&p->turn))
        deadline_set(stream->loop, &p->turn, 0);
}

static void peer_answer(struct peer *p, const struct route *route)
{
    p->route = route;
    p->has_head = p->is_over = p->is_chunked = false;
    p->answer.began_ms = loop_now_ms(p->stream.loop);
    peer_enter(p, PEER_ANSWERING, TAKE_MS);
    deadline_set(p->stream.loop, &p->turn, 0);
}

/* --- refusals --- */

static enum answer_step write_refusal(struct answer *a, struct buffer *out)
{
    return answer_error(a, out, a->status, "%s", (const char *)a->body.start);
}

static void peer_refuse(struct peer *p, unsigned status, const char *why)
{
    static const struct route refusal = {"GET", "", ROUTE_OPEN, write_refusal};

    p->answer.status = status;
    p->answer.body = slice_of(why != NULL ? why : "");
    peer_answer(p, &refusal);
}

static void begin_answer(struct peer *p)
{
    p->answer = (struct answer){.admin = p->admin,
                                .head = &p->parse.head,
                                .method = p->parse.head.method,
                                .is_local = p->is_local,
                                .socket = stream_fd(&p->stream),
                                .status = 200,
                                .type = "application/json"};
    p->closes = true;
}

static void peer_refuse_message(struct peer *p)
{
    begin_answer(p);
    peer_refuse(p,
                p->parse.error == PARSE_LARGE_HEAD || p->parse.error == PARSE_MANY_FIELDS ? 431
                : p->parse.error == PARSE_LONG_LINE                                       ? 414
                : p->parse.error == PARSE_BAD_VERSION                                     ? 505
                                                                                          : 400,
                p->parse.why);
}

/* --- the request --- */

static void peer_dispatch(struct peer *p)
{
    const struct route *route;
    const char *why = NULL;
    unsigned status;

    p->answer.path = p->request.target.path;
    p->answer.query = p->request.target.query;
    p->answer.body = buffer_slice(&p->body);
    if (p->answer.path.length > ANSWER_PATH_MAX) {
        peer_refuse(p, 414, "the path is too long");
        return;
    }
    route = routes_find(&p->answer);
    status = guard_status(&p->answer, route, p->request.host, &why);
    if (status != 0)
        peer_refuse(p, status, why);
    else
        peer_answer(p, route);
}

static void on_request(struct peer *p)
{
    const struct head *head = &p->parse.head;

    begin_answer(p);
    p->closes = !head_keeps_alive(head);
    if (p->is_large)
        peer_refuse(p, 413, "a body has 32 KiB at most");
    else
        peer_dispatch(p);
}

/* What can be said of it without its body. */
static bool check_head(struct peer *p)
{
    const struct head *head = &p->parse.head;
    enum request_fault fault = request_check(head, &p->arena, &p->request);

    if (fault == REQUEST_OK && parse_agrees(&p->parse, p->request.framing, p->request.length) &&
        p->request.target.form != TARGET_ASTERISK)
        return true;
    begin_answer(p);
    peer_refuse(p, fault != REQUEST_OK ? request_fault_status(fault) : 400,
                fault != REQUEST_OK ? request_fault_text(fault, head) : "bad request");
    return false;
}

static void peer_keep_early(struct peer *p, struct slice bytes)
{
    if (buffer_length(&p->early) + bytes.length > EARLY_MAX)
        p->closes = true;
    else if (!p->closes)
        buffer_append(&p->early, bytes);
}

static void peer_feed(struct peer *p, struct slice bytes)
{
    while (bytes.length > 0 && p->state == PEER_READING) {
        bool was_idle = parse_is_at_start(&p->parse);
        size_t used = 0;
        enum parse_step step = parse_feed(&p->parse, bytes, &used);

        if (was_idle)
            deadline_set(p->stream.loop, &p->limit, HEAD_MS);
        bytes = slice_from(bytes, used);
        if (step == PARSE_FAILED)
            peer_refuse_message(p);
        else if (step == PARSE_HEAD && !check_head(p))
            break;
        else if (step == PARSE_END || (step == PARSE_HEAD && !p->parse.has_body))
            on_request(p);
    }
    if (p->state == PEER_ANSWERING && !p->closes)
        peer_keep_early(p, bytes);
}

static void peer_read_early(struct peer *p)
{
    struct buffer early = p->early;

    p->early = (struct buffer){0};
    peer_feed(p, buffer_slice(&early));
    buffer_dispose(&early);
}

static void on_bytes(struct stream *stream, struct slice bytes)
{
    struct peer *p = list_entry(stream, struct peer, stream);

    if (p->state == PEER_READING)
        peer_feed(p, bytes);
    else if (p->state == PEER_ANSWERING)
        peer_keep_early(p, bytes);
}

/* A client may close its side and wait for the answer. */
static void on_end(struct stream *stream, int status)
{
    struct peer *p = list_entry(stream, struct peer, stream);

    if (status == 0 && p->state == PEER_ANSWERING && !p->answer.is_endless)
        p->closes = true;
    else
        peer_close(p);
}

static const struct stream_events events = {
    .on_bytes = on_bytes, .on_end = on_end, .on_drained = on_drained, .on_closed = on_closed};

void peer_begin(struct peer *p, struct loop *loop, int socket)
{
    deadline_init(&p->limit, on_limit);
    deadline_init(&p->turn, on_turn);
    stream_accept(&p->stream, loop, socket, &events);
    arena_init(&p->arena, NULL, 0);
    parse_init_request(&p->parse, &limits, &p->arena, on_body);
    peer_enter(p, PEER_READING, HEAD_MS);
    stream_read(&p->stream);
}
