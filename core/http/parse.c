/*
 * llhttp finds the pieces of a head and tells where they are; their places are
 * noted as offsets from the head's first byte, because a head may come in many
 * reads. When the head is complete its bytes are copied to the arena, once, and
 * the offsets become slices.
 */
#include "http/parse.h"

#include <llhttp.h>

enum { SPANS_FIRST = 32, EMPTY_LINES_BYTES_MAX = 8 };

struct parse_span { /* offsets from the head's first byte */
    size_t name, name_length, value, value_length;
};

_Static_assert(sizeof(llhttp_t) <= PARSE_STATE_BYTES, "PARSE_STATE_BYTES is too small");

static llhttp_t *parse_http(struct parse *p)
{
    return (llhttp_t *)(void *)p->state;
}

static struct parse *parse_of(llhttp_t *http)
{
    return http->data;
}

static size_t parse_offset(const struct parse *p, const char *at)
{
    return buffer_length(&p->partial) + (size_t)(at - p->input.start);
}

/* Gives what a callback returns to stop llhttp. */
static int parse_refuse(struct parse *p, enum parse_error error)
{
    p->error = error;
    return HPE_USER;
}

static int on_line(llhttp_t *http, const char *at, size_t length)
{
    struct parse *p = parse_of(http);

    if (p->line.length == 0)
        p->line.start = parse_offset(p, at);
    p->line.length += length;
    if (p->line.length > p->limits->request_line)
        return parse_refuse(p, PARSE_LONG_LINE);
    return 0;
}

static int on_line_complete(llhttp_t *http)
{
    parse_of(http)->has_line = true;
    return 0;
}

static bool parse_add_span(struct parse *p, const char *at)
{
    if (p->head.fields_count >= p->limits->fields)
        return false;
    if (p->head.fields_count == p->spans_capacity) {
        unsigned capacity = p->spans_capacity ? p->spans_capacity * 2 : SPANS_FIRST;
        struct parse_span *spans = arena_alloc(p->arena, capacity * sizeof *spans);

        if (p->spans_capacity > 0)
            memcpy(spans, p->spans, p->spans_capacity * sizeof *spans);
        p->spans = spans;
        p->spans_capacity = capacity;
    }
    p->spans[p->head.fields_count++] = (struct parse_span){.name = parse_offset(p, at)};
    return true;
}

static int on_name(llhttp_t *http, const char *at, size_t length)
{
    struct parse *p = parse_of(http);

    if (p->has_head)
        return 0; /* of a trailer, which is not passed on (RFC 9110, 6.5.1) */
    if (!p->is_in_name && !parse_add_span(p, at))
        return parse_refuse(p, PARSE_MANY_FIELDS);
    p->is_in_name = true;
    p->spans[p->head.fields_count - 1].name_length += length;
    return 0;
}

static int on_name_complete(llhttp_t *http)
{
    parse_of(http)->is_in_name = false;
    return 0;
}

static int on_value(llhttp_t *http, const char *at, size_t length)
{
    struct parse *p = parse_of(http);
    struct parse_span *span;

    if (p->has_head)
        return 0;
    span = &p->spans[p->head.fields_count - 1];
    if (span->value_length == 0)
        span->value = parse_offset(p, at);
    /* The parts of a folded value do not adjoin; the fold itself is refused later. */
    span->value_length = parse_offset(p, at) + length - span->value;
    return 0;
}

static int on_body_piece(llhttp_t *http, const char *at, size_t length)
{
    struct parse *p = parse_of(http);

    p->on_body(p, (struct slice){at, length});
    return 0;
}

/* Where the head ends llhttp is paused, just before its last line feed. */
static int on_headers_complete(llhttp_t *http)
{
    struct parse *p = parse_of(http);
    unsigned status = http->status_code;

    /* An upgrade that is not carried out is an ordinary message (RFC 9110, 7.8). */
    http->upgrade = 0;
    p->has_head = true;
    if (p->is_response &&
        (p->is_head_answer || status / 100 == 1 || status == 204 || status == 304))
        http->flags |= F_SKIPBODY;
    if (!(http->flags & F_SKIPBODY)) {
        p->is_chunked = (http->flags & F_CHUNKED) != 0;
        p->ends_with_connection = llhttp_message_needs_eof(http) != 0;
        p->length = http->flags & F_CONTENT_LENGTH ? http->content_length : 0;
        p->has_body = p->is_chunked || p->ends_with_connection || p->length > 0;
    }
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *http)
{
    parse_of(http)->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t *parse_settings(void)
{
    static llhttp_settings_t settings;

    if (settings.on_body == NULL) {
        llhttp_settings_init(&settings);
        settings.on_url = on_line;
        settings.on_url_complete = on_line_complete;
        settings.on_status = on_line;
        settings.on_header_field = on_name;
        settings.on_header_field_complete = on_name_complete;
        settings.on_header_value = on_value;
        settings.on_headers_complete = on_headers_complete;
        settings.on_message_complete = on_message_complete;
        settings.on_body = on_body_piece;
    }
    return &settings;
}

static void parse_init(struct parse *p, llhttp_type_t type, const struct parse_limits *limits,
                       struct arena *arena, void (*on_body)(struct parse *, struct slice))
{
    memset(p, 0, sizeof *p);
    p->on_body = on_body;
    p->limits = limits;
    p->arena = arena;
    p->is_response = type == HTTP_RESPONSE;
    llhttp_init(parse_http(p), type, parse_settings());
    parse_http(p)->data = p;
}

void parse_init_request(struct parse *p, const struct parse_limits *limits, struct arena *arena,
                        void (*on_body)(struct parse *, struct slice))
{
    parse_init(p, HTTP_REQUEST, limits, arena, on_body);
}

void parse_init_response(struct parse *p, const struct parse_limits *limits, struct arena *arena,
                         bool answers_head, void (*on_body)(struct parse *, struct slice))
{
    parse_init(p, HTTP_RESPONSE, limits, arena, on_body);
    p->is_head_answer = answers_head;
}

void parse_dispose(struct parse *p)
{
    buffer_dispose(&p->partial);
}

bool parse_agrees(const struct parse *p, enum framing framing, uint64_t length)
{
    return p->is_chunked == (framing == FRAMING_CHUNKED) &&
           p->ends_with_connection == (framing == FRAMING_UNTIL_CLOSE) &&
           p->length == (framing == FRAMING_COUNTED ? length : 0);
}

bool parse_is_at_start(const struct parse *p)
{
    return !p->has_head && buffer_length(&p->partial) == 0;
}

/* Two readers could see different lines in bare CR or LF, and different fields in
 * a folded line or in white space before the colon; a control byte is never
 * honest (RFC 9112, 2.2, 5.1, 5.2; RFC 9110, 5.5). */
static bool head_is_strict(struct slice head)
{
    bool at_line_start = true;
    bool in_name = false;

    for (size_t i = 0; i < head.length; i++) {
        unsigned char c = (unsigned char)head.start[i];

        if (c == '\r') {
            if (i + 1 >= head.length || head.start[i + 1] != '\n')
                return false;
            i++;
            at_line_start = in_name = true;
            continue;
        }
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
        if ((c == ' ' || c == '\t') && in_name)
            return false;
        if (c == ':') {
            if (at_line_start && in_name)
                return false;
            in_name = false;
        }
        at_line_start = false;
    }
    return true;
}

static bool target_is_strict(struct slice target)
{
    for (size_t i = 0; i < target.length; i++)
        if (target.start[i] <= 0x20 || target.start[i] >= 0x7f || target.start[i] == '#')
            return false; /* RFC 9112, 3.2; a byte above 0x7f is negative here */
    return target.length > 0;
}

/* The head's bytes, together, where they stay as long as the request does. */
static struct slice parse_gather_head(struct parse *p, size_t used)
{
    struct slice partial = buffer_slice(&p->partial);
    size_t length = partial.length + used;
    char *bytes = arena_alloc(p->arena, length + 1);

    memcpy(bytes, partial.start, partial.length);
    memcpy(bytes + partial.length, p->input.start, used);
    bytes[length] = '\0';
    return (struct slice){bytes, length};
}

static enum parse_error parse_finish_request_line(struct parse *p, struct slice head)
{
    const char *space = memchr(head.start, ' ', head.length);
    llhttp_t *http = parse_http(p);
    struct slice protocol = SLICE(" HTTP/");

    if (space == NULL)
        return PARSE_BAD;
    p->head.method = (struct slice){head.start, (size_t)(space - head.start)};
    p->head.target = (struct slice){head.start + p->line.start, p->line.length};
    /* One space before and one behind the target, nothing else; no other protocol. */
    if (p->line.start != p->head.method.length + 1 || !target_is_strict(p->head.target) ||
        memcmp(p->head.target.start + p->line.length, protocol.start, protocol.length) != 0)
        return PARSE_BAD;
    if (http->http_major != 1 || http->http_minor > 1)
        return PARSE_BAD_VERSION;
    p->head.version = http->http_minor == 1 ? VERSION_1_1 : VERSION_1_0;
    return PARSE_OK;
}

static enum parse_error parse_finish_status_line(struct parse *p, struct slice head)
{
    llhttp_t *http = parse_http(p);

    if (http->http_major != 1)
        return PARSE_BAD_VERSION;
    p->head.version = http->http_minor >= 1 ? VERSION_1_1 : VERSION_1_0;
    p->head.status = http->status_code;
    p->head.reason = (struct slice){head.start + p->line.start, p->line.length};
    return p->head.status >= 100 && p->head.status <= 599 ? PARSE_OK : PARSE_BAD;
}

/* input up to used ends the head. */
static enum parse_error parse_finish_head(struct parse *p, size_t used)
{
    struct slice head = parse_gather_head(p, used);
    struct field *fields = arena_alloc(p->arena, p->head.fields_count * sizeof *fields);

    p->head_bytes = head.length;
    if (head.length > p->limits->head)
        return PARSE_LARGE_HEAD;
    if (!head_is_strict(head))
        return PARSE_BAD;
    for (unsigned i = 0; i < p->head.fields_count; i++) {
        const struct parse_span *span = &p->spans[i];

        fields[i].name = (struct slice){head.start + span->name, span->name_length};
        fields[i].value = slice_trim((struct slice){head.start + span->value, span->value_length});
    }
    p->head.fields = fields;
    buffer_dispose(&p->partial);
    return p->is_response ? parse_finish_status_line(p, head) : parse_finish_request_line(p, head);
}

static enum parse_step parse_fail(struct parse *p, enum parse_error error)
{
    p->error = error;
    p->why = parse_error_text(error);
    return PARSE_FAILED;
}

/* llhttp stops at the byte that makes a method none that it knows. Whether that is the
 * client's right (501) or no HTTP (400) shows at the beginning of the target. */
static enum parse_step parse_unknown_method(struct parse *p, struct slice bytes, size_t *used)
{
    struct slice line;
    size_t length = 0;
    char behind;

    buffer_append(&p->partial, bytes);
    *used = bytes.length;
    line = buffer_slice(&p->partial);
    while (length < line.length && is_token_byte(line.start[length]))
        length++;
    p->is_unknown_method = true;
    if (length > p->limits->request_line)
        return parse_fail(p, PARSE_BAD);
    if (length == line.length || (length + 1 == line.length && line.start[length] == ' '))
        return PARSE_MORE;
    behind = line.start[length + 1];
    return parse_fail(p, length > 0 && line.start[length] == ' ' && (behind == '/' || behind == '*')
                             ? PARSE_UNKNOWN_METHOD
                             : PARSE_BAD);
}

/* RFC 9112, 2.2: a few empty lines before a request are forgiven. Gives how many
 * bytes they are; what is left over begins with the request, or is refused. */
static size_t parse_skip_empty_lines(struct parse *p, struct slice bytes)
{
    size_t skipped = 0;

    while (skipped < bytes.length && p->empty_bytes < EMPTY_LINES_BYTES_MAX &&
           bytes.start[skipped] == (p->empty_bytes % 2 == 0 ? '\r' : '\n')) {
        p->empty_bytes++;
        skipped++;
    }
    return skipped;
}

/* Runs llhttp over the bytes; false if it stopped because of them. */
static bool parse_execute(struct parse *p, struct slice bytes, size_t *used, llhttp_errno_t *code)
{
    llhttp_t *http = parse_http(p);

    p->input = bytes;
    *used = bytes.length;
    *code = llhttp_execute(http, bytes.start, bytes.length);
    if (*code == HPE_PAUSED) {
        *used = (size_t)(llhttp_get_error_pos(http) - bytes.start);
        llhttp_resume(http);
    }
    return *code == HPE_OK || *code == HPE_PAUSED;
}

/* How many of the bytes are within the limits, and one more that shows that there are more:
 * what is behind it must not change what is found out. */
static size_t parse_within_limits(const struct parse *p, struct slice bytes)
{
    struct slice partial = buffer_slice(&p->partial);
    size_t before = partial.length;
    size_t most = p->limits->head + 1 - before;

    if (!p->is_response && !p->has_line && before + bytes.length > p->limits->request_line) {
        const char *space = memchr(partial.start, ' ', before);
        size_t end = SIZE_MAX; /* where a target of the largest length and the byte behind it end */

        if (space != NULL)
            end = (size_t)(space - partial.start) + 1 + p->limits->request_line + 1;
        else if ((space = memchr(bytes.start, ' ', bytes.length)) != NULL)
            end = before + (size_t)(space - bytes.start) + 1 + p->limits->request_line + 1;
        if (end > before && end - before < most)
            most = end - before;
    }
    return bytes.length < most ? bytes.length : most;
}

static enum parse_step parse_feed_head(struct parse *p, struct slice bytes, size_t *used)
{
    enum parse_error error;
    llhttp_errno_t code;

    bytes.length = parse_within_limits(p, bytes);
    if (p->is_unknown_method)
        return parse_unknown_method(p, bytes, used);
    if (!parse_execute(p, bytes, used, &code)) {
        if (code == HPE_INVALID_METHOD && !p->is_response)
            return parse_unknown_method(p, bytes, used);
        return parse_fail(p, p->error != PARSE_OK ? p->error : PARSE_BAD);
    }
    if (buffer_length(&p->partial) + *used > p->limits->head)
        return parse_fail(p, PARSE_LARGE_HEAD);
    if (!p->has_head) {
        buffer_append(&p->partial, bytes);
        return PARSE_MORE;
    }
    error = parse_finish_head(p, *used);
    return error == PARSE_OK ? PARSE_HEAD : parse_fail(p, error);
}

static enum parse_step parse_feed_body(struct parse *p, struct slice bytes, size_t *used)
{
    llhttp_errno_t code;

    if (p->is_chunked) {
        bytes.length = chunks_accept(&p->chunks, bytes);
        if (bytes.length == 0)
            return parse_fail(p, chunks_are_endless(&p->chunks) ? PARSE_LARGE_HEAD : PARSE_BAD);
    }
    if (!parse_execute(p, bytes, used, &code))
        return parse_fail(p, PARSE_BAD);
    return p->is_complete ? PARSE_END : PARSE_MORE;
}

enum parse_step parse_feed(struct parse *p, struct slice bytes, size_t *used)
{
    enum parse_step step = PARSE_MORE;
    size_t skipped = 0;

    *used = 0;
    if (p->has_head)
        return bytes.length > 0 ? parse_feed_body(p, bytes, used) : PARSE_MORE;
    if (!p->is_response && parse_is_at_start(p)) {
        skipped = parse_skip_empty_lines(p, bytes);
        bytes.start += skipped;
        bytes.length -= skipped;
        if (bytes.length > 0 &&
            (p->empty_bytes % 2 != 0 || bytes.start[0] == '\r' || bytes.start[0] == '\n'))
            return parse_fail(p, PARSE_BAD);
    }
    if (bytes.length > 0)
        step = parse_feed_head(p, bytes, used);
    *used += skipped;
    return step;
}

enum parse_step parse_finish(struct parse *p)
{
    return p->ends_with_connection ? PARSE_END : parse_fail(p, PARSE_CUT);
}

const char *parse_error_text(enum parse_error error)
{
    static const char *const texts[] = {
        [PARSE_OK] = "",
        [PARSE_BAD] = "malformed message",
        [PARSE_BAD_VERSION] = "HTTP version not supported",
        [PARSE_UNKNOWN_METHOD] = "unknown method",
        [PARSE_LONG_LINE] = "longer than limits.request_line",
        [PARSE_LARGE_HEAD] = "larger than limits.head",
        [PARSE_MANY_FIELDS] = "more fields than limits.fields",
        [PARSE_CUT] = "message cut short",
    };

    return texts[error];
}

#define TEXT_OF(number)       #number
#define VERSION_TEXT(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *parse_library_version(void)
{
    return VERSION_TEXT(LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH);
}
