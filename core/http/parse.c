/*
 * llhttp finds the pieces of a head and tells where they are; their places are
 * noted as offsets from the head's first byte, because a head may come in many
 * reads. When the head is complete its bytes are copied to the arena, once, and
 * the offsets become slices.
 */
#include "http/parse.h"

#include <llhttp.h>

enum { SPANS_FIRST = 32, EMPTY_LINES_BYTES_MAX = 8, CODING_BYTES_MAX = 16384 };

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

    p->coding_bytes = 0;
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
    p->coding_bytes = 0;
    if (p->is_response &&
        (p->is_head_answer || status / 100 == 1 || status == 204 || status == 304))
        http->flags |= F_SKIPBODY;
    p->has_body =
        !(http->flags & F_SKIPBODY) && ((http->flags & F_CHUNKED) || http->content_length > 0 ||
                                        (p->is_response && llhttp_message_needs_eof(http)));
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

    if (space == NULL)
        return PARSE_BAD;
    p->head.method = (struct slice){head.start, (size_t)(space - head.start)};
    p->head.target = (struct slice){head.start + p->line.start, p->line.length};
    /* One space before and one behind the target, nothing else. */
    if (p->line.start != p->head.method.length + 1 || !target_is_strict(p->head.target))
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

/* A well-formed method that llhttp does not know is the client's right. */
static bool line_begins_with_token(struct slice line)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    size_t i = 0;

    for (; i < line.length && line.start[i] != ' '; i++) {
        char c = line.start[i];

        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return i > 0 && i < line.length && line.length > i + 1 && line.start[i + 1] == '/';
}

static enum parse_error parse_translate_error(const struct parse *p, llhttp_errno_t code)
{
    if (p->error != PARSE_OK)
        return p->error;
    if (code == HPE_INVALID_METHOD && !p->is_response && buffer_length(&p->partial) == 0 &&
        line_begins_with_token(p->input))
        return PARSE_UNKNOWN_METHOD;
    return PARSE_BAD;
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

static bool parse_is_within_limits(struct parse *p, size_t used)
{
    if (!p->has_head) {
        size_t head_bytes = buffer_length(&p->partial) + used;

        if (head_bytes > p->limits->head)
            p->error = PARSE_LARGE_HEAD;
        else if (p->line.length == 0 && !p->is_response && head_bytes > p->limits->request_line)
            p->error = PARSE_LONG_LINE;
    } else if (parse_http(p)->flags & F_CHUNKED) {
        /* Endless chunk extensions and trailers carry nothing and cost us. */
        if (p->coding_bytes > CODING_BYTES_MAX)
            p->error = PARSE_LARGE_HEAD;
    }
    return p->error == PARSE_OK;
}

static enum parse_step parse_fail(struct parse *p, enum parse_error error)
{
    p->error = error;
    return PARSE_FAILED;
}

enum parse_step parse_feed(struct parse *p, struct slice bytes, size_t *used)
{
    llhttp_t *http = parse_http(p);
    bool had_head = p->has_head;
    size_t skipped = 0;
    llhttp_errno_t code;

    *used = 0;
    if (!p->is_response && parse_is_at_start(p)) {
        skipped = parse_skip_empty_lines(p, bytes);
        bytes.start += skipped;
        bytes.length -= skipped;
        if (bytes.length > 0 &&
            (p->empty_bytes % 2 != 0 || bytes.start[0] == '\r' || bytes.start[0] == '\n'))
            return parse_fail(p, PARSE_BAD);
    }
    if (bytes.length == 0) {
        *used = skipped;
        return PARSE_MORE;
    }
    p->input = bytes;
    p->coding_bytes += bytes.length;
    code = llhttp_execute(http, bytes.start, bytes.length);
    if (code != HPE_OK && code != HPE_PAUSED)
        return parse_fail(p, parse_translate_error(p, code));
    *used = code == HPE_PAUSED ? (size_t)(llhttp_get_error_pos(http) - bytes.start) : bytes.length;
    if (code == HPE_PAUSED)
        llhttp_resume(http);
    if (!parse_is_within_limits(p, *used))
        return PARSE_FAILED;
    if (!had_head && p->has_head) {
        enum parse_error error = parse_finish_head(p, *used);

        if (error != PARSE_OK)
            return parse_fail(p, error);
    } else if (!had_head) {
        buffer_append(&p->partial, (struct slice){bytes.start, *used});
    }
    *used += skipped;
    if (!had_head && p->has_head)
        return PARSE_HEAD;
    return p->is_complete ? PARSE_END : PARSE_MORE;
}

enum parse_step parse_finish(struct parse *p)
{
    if (p->has_head && !p->is_complete && llhttp_finish(parse_http(p)) != HPE_INVALID_EOF_STATE &&
        p->is_complete)
        return PARSE_END;
    return parse_fail(p, PARSE_CUT);
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
