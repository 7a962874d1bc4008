/*
 *   made --start--> dialling --> asking --head--> reading the body --> over, has_answer
 *                      |           |  ^  |              |
 *                      |           |  `--' interim      |
 *                      `-----------`--------------------`--> over, why
 */
#include "dial/fetch.h"

#include "base/mem.h"
#include "dial/kept.h"
#include "http/field_rules.h"

#include <string.h>

/* A request that may not be sent again takes a kept link only if the link has rested for less time
 * than this: the peer may be closing a link that has rested longer. */
enum { UNSAFE_RESTED_MS = 1000 };

static const struct parse_limits limits = {.request_line = 8192, .head = 65536, .fields = 128};

/* --- what is sent --- */

/* Anything else would not reach the server as it is, and a '#' never goes there (RFC 9112, 3.2). */
static const char *check_url_bytes(struct slice url)
{
    for (size_t i = 0; i < url.length; i++)
        if (url.start[i] <= ' ' || url.start[i] > '~')
            return "a URL has no spaces, control bytes or bytes above 0x7e: write them as %20";
        else if (url.start[i] == '#')
            return "a URL to fetch has no '#': write it as %23";
    return NULL;
}

static const char *parse_authority(struct fetch *f, struct slice authority)
{
    bool has_port = host_without_port(authority).length < authority.length;
    struct buffer text = {0};
    const char *wrong;

    buffer_append(&text, authority);
    if (!has_port)
        buffer_append_text(&text, f->has_https ? ":443" : ":80");
    wrong = address_parse(&f->to, buffer_slice(&text), false);
    buffer_dispose(&text);
    return wrong;
}

const char *fetch_set_method(struct fetch *f, struct slice method)
{
    if (!is_token(method) || slice_is(method, SLICE("CONNECT")))
        return "it is none that can be sent";
    f->method = arena_copy(&f->arena, method);
    return NULL;
}

/* The same target, as net/target reads it. */
static struct slice as_http(struct fetch *f, struct slice url)
{
    struct slice rest = slice_from(url, strlen("https://"));
    char *text = arena_alloc(&f->arena, strlen("http://") + rest.length);

    memcpy(text, "http://", strlen("http://"));
    slice_put(text + strlen("http://"), rest);
    return (struct slice){text, strlen("http://") + rest.length};
}

const char *fetch_set_url(struct fetch *f, struct slice url)
{
    const char *wrong = check_url_bytes(url);

    if (wrong != NULL)
        return wrong;
    if (url.length > limits.request_line)
        return "a URL has 8192 bytes at most";
    f->has_https = slice_begins_nocase(url, SLICE("https://"));
    url = f->has_https ? as_http(f, url) : arena_copy(&f->arena, url);
    if (url.length == 0 || !target_parse(f->method, url, &f->arena, &f->target) ||
        f->target.form != TARGET_ABSOLUTE)
        return "expected a URL such as http://host:80/path";
    return parse_authority(f, f->target.authority);
}

bool fetch_is_secure(const struct fetch *f)
{
    return f->has_https;
}

void fetch_secure(struct fetch *f, const struct secured_wish *wish)
{
    struct secured_wish whole = *wish;

    if (whole.name.length == 0)
        whole.name = slice_of(f->to.host);
    f->wish = secured_wish_copy(&whole);
    f->dial.wish = f->wish;
}

const char *fetch_set_via(struct fetch *f, struct slice address)
{
    return address_parse(&f->to, address, false);
}

static void append_field(struct buffer *out, struct slice name, struct slice value)
{
    buffer_append(out, name);
    buffer_append(out, SLICE(": "));
    buffer_append(out, value);
    buffer_append(out, SLICE("\r\n"));
}

const char *fetch_add_field(struct fetch *f, struct slice name, struct slice value)
{
    if (!is_token(name))
        return "a header's name has letters, digits and some signs only";
    if (!is_text(value))
        return "a header's value has no line ends and no other control bytes";
    if (field_is_ours(FIELD_IN_FETCH, name, false))
        return "lb sets this header itself";
    if (++f->fields > FETCH_FIELDS_MAX || buffer_length(&f->lines) + value.length > limits.head)
        return "too many headers, or too large ones";
    if (slice_is_nocase(name, SLICE("host"))) {
        if (f->host.length > 0 || !host_is_valid(value))
            return "a Host is one host, with a port behind it at most";
        f->host = arena_copy(&f->arena, value);
        return NULL;
    }
    if (slice_is_nocase(name, SLICE("user-agent")))
        f->has_agent = true;
    append_field(&f->lines, name, value);
    return NULL;
}

static bool is_safe(struct slice method) /* RFC 9110, 9.2.1 */
{
    return slice_is(method, SLICE("GET")) || slice_is(method, SLICE("HEAD")) ||
           slice_is(method, SLICE("OPTIONS")) || slice_is(method, SLICE("TRACE"));
}

/* RFC 9110, 8.6: a method that has a use for a body says that there is none. */
static bool anticipates_body(struct slice method)
{
    return slice_is(method, SLICE("POST")) || slice_is(method, SLICE("PUT")) ||
           slice_is(method, SLICE("PATCH"));
}

static void write_head(struct fetch *f, struct buffer *head, struct slice body)
{
    struct slice host = f->host.length > 0 ? f->host : f->target.authority;

    buffer_printf(head, "%.*s %.*s HTTP/1.1\r\n", (int)f->method.length, f->method.start,
                  (int)f->target.origin.length, f->target.origin.start);
    append_field(head, SLICE("Host"), host);
    buffer_append(head, buffer_slice(&f->lines));
    if (!f->has_agent)
        buffer_append_text(head, "User-Agent: lb\r\n");
    if (body.start != NULL || anticipates_body(f->method))
        buffer_printf(head, "Content-Length: %zu\r\n", body.length);
    buffer_append_text(head, "\r\n");
}

static void fetch_forget_request(struct fetch *f)
{
    held_give(f->request_bytes);
    mem_free(f->request);
    f->request = NULL;
    f->request_bytes = 0;
}

const char *fetch_set_body(struct fetch *f, struct slice body)
{
    struct buffer head = {0};
    size_t head_bytes;

    if (body.length > FETCH_BODY_MAX)
        return "a body has 16 MiB at most";
    write_head(f, &head, body);
    head_bytes = buffer_length(&head);
    if (held_take(head_bytes + body.length)) {
        f->request_bytes = head_bytes + body.length;
        f->request = mem_alloc(f->request_bytes);
        memcpy(f->request, buffer_slice(&head).start, head_bytes);
        if (body.length > 0)
            memcpy(f->request + head_bytes, body.start, body.length);
    }
    buffer_dispose(&head);
    return f->request != NULL ? NULL : held_too_many;
}

/* --- endings --- */

static void fetch_stop(struct fetch *f)
{
    f->is_over = true;
    deadline_clear(&f->limit);
    dial_cancel(&f->dial);
    if (f->link != NULL)
        link_close(f->link);
    f->link = NULL;
}

/* The last statement of an event; why says what has failed. */
static void fetch_end(struct fetch *f)
{
    fetch_stop(f);
    f->on_over(f);
}

static void fetch_fail(struct fetch *f, const char *kind, const char *what)
{
    dial_say_why(f->why, kind, "%s", what);
    fetch_end(f);
}

/* As a connection to a backend is (connection_is_reusable). */
static bool fetch_may_keep(const struct fetch *f)
{
    const struct stream *s = &f->link->stream;

    return response_keeps_connection(&f->response) && !s->has_ended && s->failure == 0 &&
           stream_backlog(s) == 0;
}

static void fetch_succeed(struct fetch *f)
{
    f->has_answer = true;
    if (fetch_may_keep(f)) {
        kept_put(f->link, &f->to);
        f->link = NULL;
    }
    fetch_end(f);
}

static void fetch_fail_by_size(struct fetch *f)
{
    dial_say_why(f->why, "limit", "the body is larger than max_body, %zu bytes", f->body_max);
    fetch_end(f);
}

static void on_limit(struct deadline *deadline)
{
    struct fetch *f = list_entry(deadline, struct fetch, limit);

    dial_say_why(f->why, "timeout",
                 f->on_part != NULL && f->has_head ? "no byte for %g s"
                                                   : "the answer took more than %g s",
                 (double)f->timeout_ms / 1000);
    fetch_end(f);
}

/* --- what comes --- */

static void on_body(struct parse *parse, struct slice piece)
{
    struct fetch *f = list_entry(parse, struct fetch, response.parse);

    f->is_too_large |= f->on_part == NULL && buffer_length(&f->body) + piece.length > f->body_max;
    if (!f->is_too_large && !f->is_one_too_many)
        f->is_one_too_many = !held_append(&f->body, piece);
}

static const char *fetch_fault_text(const struct fetch *f)
{
    if (f->response.fault == RESPONSE_LARGE_INTERIM) /* by the limit here, which is no setting */
        return "interim responses without end";
    return response_fault_text(&f->response);
}

static bool fetch_is_too_large(const struct fetch *f)
{
    const struct response *r = &f->response;

    return f->is_too_large ||
           (f->on_part == NULL && r->framing == FRAMING_COUNTED && r->length > f->body_max);
}

/* False, and the fetch is over. */
static bool fetch_take(struct fetch *f, enum response_step step)
{
    if (step == RESPONSE_FAILED)
        fetch_fail(f, "protocol", fetch_fault_text(f));
    else if (fetch_is_too_large(f))
        fetch_fail_by_size(f);
    else if (f->is_one_too_many)
        fetch_fail(f, "limit", held_too_many);
    else if (step == RESPONSE_END)
        fetch_succeed(f);
    else
        return true;
    return false;
}

/* Nothing is read until the owner asks for it: what is not read waits at the peer. */
static void fetch_report_part(struct fetch *f)
{
    deadline_clear(&f->limit);
    stream_pause(&f->link->stream);
    f->on_part(f);
}

static void fetch_forget_sent(struct fetch *f)
{
    if (stream_backlog(&f->link->stream) == 0) /* else it counts as long as the copy there does */
        fetch_forget_request(f);
}

static void on_bytes(struct stream *s, struct slice bytes)
{
    struct fetch *f = link_of(s)->owner;
    enum response_step step;

    if (!f->has_bytes)
        fetch_forget_sent(f);
    f->has_bytes = true;
    do {
        step = response_feed(&f->response, &bytes);
        f->has_head |= step == RESPONSE_HEAD && f->response.parse.head.status >= 200;
        if (!fetch_take(f, step))
            return;
    } while (bytes.length > 0 || step == RESPONSE_HEAD);
    if (f->on_part != NULL && f->has_head)
        fetch_report_part(f);
}

/* Was a kept link closed by the peer before it read the request (RFC 9112, 9.3.1)? Then the request
 * is sent once more, on a new link. */
static bool fetch_may_retry(const struct fetch *f)
{
    return f->dial.was_kept && !f->has_bytes && f->is_safe && f->request != NULL &&
           loop_now_ms(f->loop) < f->until_ms;
}

static void fetch_retry(struct fetch *f)
{
    link_close(f->link);
    f->link = NULL;
    f->dial.rested_ms_max = 0;
    dial_start(&f->dial, &f->to, f->until_ms - loop_now_ms(f->loop));
}

static void on_end(struct stream *s, int status)
{
    struct fetch *f = link_of(s)->owner;

    if (fetch_may_retry(f))
        fetch_retry(f);
    else if (status == 0 && response_ends_here(&f->response))
        fetch_succeed(f);
    else if (status == UV_EPROTO && s->tls != NULL && s->tls->why != NULL)
        fetch_fail(f, "tls", s->tls->why);
    else if (status == STREAM_CUT && response_ends_here(&f->response))
        fetch_fail(f, "closed", "without a close_notify: something may be missing");
    else if (status != 0 && status != STREAM_CUT)
        fetch_fail(f, "closed", uv_strerror(status));
    else
        fetch_fail(f, "closed",
                   f->has_bytes ? "in the middle of the response" : "before a response");
}

static void on_drained(struct stream *s)
{
    struct fetch *f = link_of(s)->owner;

    if (!f->dial.was_kept || f->has_bytes) /* else it may have to go out again */
        fetch_forget_request(f);
}

static const struct stream_events link_events = {
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_drained = on_drained,
    .on_closed = link_on_closed,
};

/* Reads before it writes: an answer that came before all of the request was taken is an answer, and
 * is seen before a write that failed. */
static void on_ready(struct dial *d, struct link *link)
{
    struct fetch *f = list_entry(d, struct fetch, dial);
    uint64_t now_ms = loop_now_ms(f->loop);
    uv_buf_t whole = uv_buf_init(f->request, (unsigned)f->request_bytes);

    f->link = link;
    link->owner = f;
    link->stream.events = &link_events;
    deadline_set(f->loop, &f->limit, f->until_ms > now_ms ? f->until_ms - now_ms : 1);
    response_expect(&f->response, &limits, &f->arena, slice_is(f->method, SLICE("HEAD")), false,
                    on_body);
    stream_read(&link->stream);
    stream_write(&link->stream, &whole, 1);
    if (!d->was_kept)
        fetch_forget_sent(f);
}

static void on_failed(struct dial *d)
{
    struct fetch *f = list_entry(d, struct fetch, dial);

    memcpy(f->why, d->why, sizeof f->why);
    fetch_end(f);
}

/* --- for the owner --- */

void fetch_init(struct fetch *f, struct loop *loop)
{
    *f = (struct fetch){.loop = loop};
    dial_init(&f->dial, loop);
    f->dial.on_ready = on_ready;
    f->dial.on_failed = on_failed;
    deadline_init(&f->limit, on_limit);
    arena_init(&f->arena, NULL, 0);
}

void fetch_start(struct fetch *f, size_t body_max, uint64_t timeout_ms)
{
    f->body_max = body_max;
    f->timeout_ms = timeout_ms;
    f->until_ms = loop_now_ms(f->loop) + timeout_ms;
    f->is_safe = is_safe(f->method);
    f->dial.waits = true;
    f->dial.rested_ms_max = f->is_safe ? KEPT_IDLE_MS : UNSAFE_RESTED_MS;
    dial_start(&f->dial, &f->to, timeout_ms);
}

void fetch_read_on(struct fetch *f, uint64_t silence_ms)
{
    f->timeout_ms = silence_ms;
    deadline_set(f->loop, &f->limit, silence_ms);
    stream_read(&f->link->stream);
}

void fetch_dispose(struct fetch *f)
{
    fetch_stop(f);
    response_dispose(&f->response);
    held_dispose(&f->body);
    buffer_dispose(&f->lines);
    fetch_forget_request(f);
    mem_free(f->wish);
    f->wish = NULL;
    arena_dispose(&f->arena);
}
