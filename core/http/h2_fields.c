/*
 *   :method GET                    GET /a HTTP/1.1
 *   :scheme https     in -->
 *   :authority b                   Host: b
 *   :path /a          <-- out
 *   name value                     name: value
 */
#include "http/h2_fields.h"

#include "base/word.h"
#include "http/syntax.h"

enum {
    LINE_BYTES = 4,     /* ": " and the line end */
    KEPT_BYTES = 65536, /* of a buffer, from one head to the next */
    STATUS_DIGITS = 3,
    SHORT_COOKIE = 20, /* can be guessed piece by piece (RFC 7541, 7.1.3) */
    SHORT_BYTES = 600, /* of a head whose lines are not counted: room for all that there may be */
    LEAST_LINE = 4,    /* bytes */
};

/* Of the one head that is being read. */
static struct buffer lines, cookies;
static char pseudo_bytes[512]; /* values of pseudo-fields: short ones */
static struct arena pseudo;

static void buffer_begin(struct buffer *b)
{
    if (b->capacity > KEPT_BYTES)
        buffer_dispose(b);
    buffer_clear(b);
}

void h2_fields_begin(struct h2_fields *f, enum h2_head_kind kind, size_t head_max)
{
    buffer_begin(&lines);
    buffer_begin(&cookies);
    arena_dispose(&pseudo);
    arena_init(&pseudo, pseudo_bytes, sizeof pseudo_bytes);
    *f = (struct h2_fields){.kind = kind, .head_max = head_max, .bytes = LINE_BYTES / 2};
}

/* --- in: what is right --- */

/* Eight bytes: nearly all names have only these. */
static bool are_of_name(const char *at)
{
    uint64_t word = word_read(at);

    return (word_between(word, 'a', 'z') | word_between(word, '-', '-')) == WORD_OF(0x80);
}

static bool is_name(struct slice name)
{
    size_t i = 0;

    while (name.length - i >= sizeof(uint64_t) && are_of_name(name.start + i))
        i += sizeof(uint64_t);
    for (; i < name.length; i++)
        if (!is_token_byte(name.start[i]) || (name.start[i] >= 'A' && name.start[i] <= 'Z'))
            return false;
    return name.length > 0;
}

static bool is_value(struct slice value)
{
    return slice_is_trimmed(value) && is_text(value);
}

static bool is_path(struct slice path)
{
    return path.length > 0 &&
           syntax_skip_target(path.start, path.start + path.length) == path.start + path.length;
}

/* Fields of the connection, which HTTP/2 has in other ways (8.2.2). */
static bool is_of_connection(struct slice name)
{
    switch (name.length) {
    case 7:
        return slice_is(name, SLICE("upgrade"));
    case 10:
        return slice_is(name, SLICE("connection")) || slice_is(name, SLICE("keep-alive"));
    case 16:
        return slice_is(name, SLICE("proxy-connection"));
    case 17:
        return slice_is(name, SLICE("transfer-encoding"));
    default:
        return false;
    }
}

/* --- in: lines --- */

/* Room for so many bytes of the lines, which count in any case. */
static bool has_room(struct h2_fields *f, size_t bytes)
{
    f->bytes += bytes;
    if (f->bytes > f->head_max)
        f->is_cut = true;
    return !f->is_cut;
}

static void put_line(struct buffer *b, struct slice name, struct slice value)
{
    size_t length = name.length + value.length + LINE_BYTES;
    char *out = buffer_reserve(b, length);

    out = slice_put(out, name);
    *out++ = ':';
    *out++ = ' ';
    out = slice_put(out, value);
    *out++ = '\r';
    *out = '\n';
    buffer_grow(b, length);
}

static void add_line(struct h2_fields *f, struct slice name, struct slice value)
{
    if (has_room(f, name.length + value.length + LINE_BYTES))
        put_line(&lines, name, value);
}

static void add_first_line(struct h2_fields *f, struct slice a, struct slice b, struct slice c)
{
    size_t length = a.length + b.length + c.length;
    size_t room = f->bytes < f->head_max ? f->head_max - f->bytes : 0;

    if (!has_room(f, length)) { /* its beginning says whose it is */
        b.length = b.length < room ? b.length : room;
        c.length = 0;
    }
    buffer_append(&lines, a);
    buffer_append(&lines, b);
    buffer_append(&lines, c);
}

/* --- in: pseudo-fields (8.3) --- */

static struct slice *pseudo_of(struct h2_fields *f, struct slice name)
{
    if (f->kind == H2_RESPONSE)
        return slice_is(name, SLICE(":status")) ? &f->status : NULL;
    if (f->kind == H2_TRAILERS)
        return NULL;
    if (slice_is(name, SLICE(":method")))
        return &f->method;
    if (slice_is(name, SLICE(":path")))
        return &f->path;
    if (slice_is(name, SLICE(":scheme")))
        return &f->scheme;
    if (slice_is(name, SLICE(":authority")))
        return &f->authority;
    return f->may_connect && slice_is(name, SLICE(":protocol")) ? &f->protocol : NULL;
}

static const char *add_pseudo(struct h2_fields *f, struct slice name, struct slice value)
{
    struct slice *place = pseudo_of(f, name);

    if (place == NULL)
        return "an unknown pseudo-field";
    if (f->has_regular)
        return "a pseudo-field behind other fields";
    if (place->start != NULL)
        return "a pseudo-field twice";
    *place = arena_copy(&pseudo, value);
    return NULL;
}

static const char *begin_connect(struct h2_fields *f)
{
    if (f->scheme.start != NULL || f->path.start != NULL)
        return "CONNECT with :scheme or :path";
    if (f->authority.start == NULL || !is_path(f->authority))
        return "CONNECT without a valid :authority";
    f->path = f->authority;
    return NULL;
}

static const char *check_request(struct h2_fields *f)
{
    bool is_connect = slice_is(f->method, SLICE("CONNECT"));

    if (f->method.start == NULL || !is_token(f->method))
        return "no valid :method";
    if (f->authority.start != NULL && !is_value(f->authority))
        return "no valid :authority";
    if (is_connect && f->protocol.start == NULL)
        return begin_connect(f);
    if (f->protocol.start != NULL && (!is_connect || !is_token(f->protocol)))
        return "no valid :protocol";
    if (!slice_is_nocase(f->scheme, SLICE("http")) && !slice_is_nocase(f->scheme, SLICE("https")))
        return "no valid :scheme";
    if (!is_path(f->path))
        return "no valid :path";
    if (f->path.start[0] == '/')
        return NULL;
    return slice_is(f->path, SLICE("*")) && slice_is(f->method, SLICE("OPTIONS"))
               ? NULL
               : "no valid :path";
}

static const char *begin_request(struct h2_fields *f)
{
    const char *why = check_request(f);
    struct slice method = f->method;

    if (why != NULL)
        return why;
    if (f->protocol.start != NULL)
        method = SLICE("GET");
    buffer_append(&lines, method);
    f->bytes += method.length;
    add_first_line(f, SLICE(" "), f->path, SLICE(" HTTP/1.1\r\n"));
    if (f->authority.start != NULL)
        add_line(f, SLICE("Host"), f->authority);
    if (f->protocol.start != NULL) {
        add_line(f, SLICE("connection"), SLICE("Upgrade"));
        add_line(f, SLICE("upgrade"), f->protocol);
        f->head.protocol = f->protocol;
    }
    f->head.scheme = f->scheme.start != NULL ? f->scheme : SLICE("");
    return NULL;
}

static const char *begin_response(struct h2_fields *f)
{
    const char *digits = f->status.start;

    if (f->status.length != STATUS_DIGITS || digits[0] < '1' || !ascii_is_digit(digits[0]) ||
        !ascii_is_digit(digits[1]) || !ascii_is_digit(digits[2]))
        return "no valid :status";
    f->head.status = (unsigned)(digits[0] - '0') * 100 + (unsigned)(digits[1] - '0') * 10 +
                     (unsigned)(digits[2] - '0');
    if (f->head.status == 101)
        return "status 101"; /* 8.6 */
    add_first_line(f, SLICE("HTTP/1.1 "), f->status, SLICE(" \r\n"));
    return NULL;
}

/* All pseudo-fields are there: the first line is known. */
static const char *begin_lines(struct h2_fields *f)
{
    f->has_regular = true;
    if (f->kind == H2_REQUEST)
        return begin_request(f);
    return f->kind == H2_RESPONSE ? begin_response(f) : NULL;
}

/* --- in: other fields --- */

/* host[:port], the port of the scheme left out. */
static struct slice without_port(struct h2_fields *f, struct slice host)
{
    struct slice port = slice_is_nocase(f->scheme, SLICE("https")) ? SLICE(":443") : SLICE(":80");

    if (host.length > port.length && slice_is(slice_from(host, host.length - port.length), port))
        host.length -= port.length;
    return host;
}

/* The same as :authority: left out. Another one stands next to it, which the reader refuses. */
static void add_host(struct h2_fields *f, struct slice host)
{
    if (f->authority.start == NULL || f->has_host ||
        !slice_is_nocase(without_port(f, host), without_port(f, f->authority)))
        add_line(f, SLICE("Host"), host);
    f->has_host = true;
}

static void add_cookie(struct h2_fields *f, struct slice value)
{
    bool is_first = buffer_length(&cookies) == 0;

    if (!has_room(f, value.length + (is_first ? sizeof "cookie: \r\n" - 1 : 2)))
        return;
    buffer_append(&cookies, is_first ? SLICE("cookie: ") : SLICE("; "));
    buffer_append(&cookies, value);
}

static const char *add_length(struct h2_fields *f, struct slice value)
{
    if (f->head.has_length)
        return "content-length twice";
    if (!number_read(value, &f->head.length) || f->head.length > INT64_MAX)
        return "no valid content-length";
    f->head.has_length = true;
    return NULL;
}

static const char *add_regular(struct h2_fields *f, struct slice name, struct slice value)
{
    const char *why = f->has_regular ? NULL : begin_lines(f);

    if (why != NULL)
        return why;
    if (!is_name(name))
        return "no valid field name";
    if (!is_value(value))
        return "no valid field value";
    if (is_of_connection(name))
        return "a field of the connection";
    if (slice_is(name, SLICE("te")) && !slice_is_nocase(value, SLICE("trailers")))
        return "te with more than trailers";
    if (slice_is(name, SLICE("content-length")) && f->kind != H2_TRAILERS)
        why = add_length(f, value);
    if (f->kind == H2_REQUEST && slice_is(name, SLICE("host")))
        add_host(f, value);
    else if (f->kind == H2_REQUEST && slice_is(name, SLICE("cookie")))
        add_cookie(f, value);
    else
        add_line(f, name, value);
    return why;
}

bool h2_fields_add(void *fields, struct slice name, struct slice value)
{
    struct h2_fields *f = fields;
    bool is_pseudo = name.length > 0 && name.start[0] == ':';

    if (f->why != NULL) /* it is read for the tables' sake */
        f->bytes += name.length + value.length + LINE_BYTES;
    if (f->why == NULL && is_pseudo)
        f->why = add_pseudo(f, name, value);
    else if (f->why == NULL)
        f->why = add_regular(f, name, value);
    return !h2_fields_are_too_many(f);
}

const char *h2_fields_end(struct h2_fields *f)
{
    if (f->why == NULL && !f->has_regular)
        f->why = begin_lines(f);
    if (f->why != NULL)
        return f->why;
    if (buffer_length(&cookies) > 0) {
        buffer_append(&lines, buffer_slice(&cookies));
        buffer_append(&lines, SLICE("\r\n"));
    }
    if (!f->is_cut)
        buffer_append(&lines, SLICE("\r\n"));
    f->head.is_large = f->is_cut;
    f->head.lines = buffer_slice(&lines);
    return NULL;
}

/* --- out --- */

/* The next line, without its end; empty at the end of the head. */
static struct slice take_line(struct slice *rest)
{
    struct slice line = slice_take_until(rest, '\n');

    if (line.length > 0 && line.start[line.length - 1] == '\r')
        line.length--;
    return line;
}

/* At least as many as there are. */
static unsigned count_lines(struct slice text)
{
    unsigned count = 0;

    if (text.length < SHORT_BYTES)
        return (unsigned)text.length / LEAST_LINE + 1;
    while (text.length > 0) {
        slice_take_until(&text, '\n');
        count++;
    }
    return count;
}

/* The text to which it belongs goes on to the end: what is lowered of that is nobody's. */
static struct slice lowered(struct arena *arena, struct slice name, const char *end)
{
    char *copy = arena_alloc(arena, name.length + sizeof(uint64_t));
    size_t i = 0;

    for (; i < name.length && (size_t)(end - name.start) - i >= sizeof(uint64_t);
         i += sizeof(uint64_t)) {
        uint64_t word = word_read(name.start + i);

        word_write(copy + i, word | word_between(word, 'A', 'Z') >> 2);
    }
    for (; i < name.length; i++)
        copy[i] = ascii_lower(name.start[i]);
    return (struct slice){copy, name.length};
}

static bool is_secret(struct slice name, struct slice value)
{
    if (slice_is(name, SLICE("authorization")) || slice_is(name, SLICE("proxy-authorization")))
        return true;
    return value.length < SHORT_COOKIE &&
           (slice_is(name, SLICE("cookie")) || slice_is(name, SLICE("set-cookie")));
}

static void put_field(struct h2_lines *out, struct slice name, struct slice value)
{
    out->fields[out->count++] =
        (struct hpack_field){.name = name, .value = value, .is_secret = is_secret(name, value)};
}

struct request_line { /* with what else becomes a pseudo-field */
    struct slice method, target, authority, protocol;
    bool has_authority;
};

/* Is it a field that goes out as it is? Of a request host and upgrade are noted. */
static bool is_sent(struct request_line *request, bool connects, struct slice name,
                    struct slice value)
{
    if (slice_is(name, SLICE("upgrade")) && request != NULL)
        request->protocol = value;
    if (is_of_connection(name) || slice_is(name, SLICE("http2-settings")))
        return false;
    if (slice_is(name, SLICE("te")))
        return slice_is_nocase(value, SLICE("trailers"));
    if (request == NULL)
        return true;
    if (slice_is(name, SLICE("host"))) {
        if (!request->has_authority)
            request->authority = value;
        request->has_authority = true;
        return false;
    }
    return !connects || !slice_is(name, SLICE("sec-websocket-key")); /* RFC 8441, 5 */
}

static void put_fields(struct arena *arena, struct slice rest, struct request_line *request,
                       bool connects, struct h2_lines *out)
{
    const char *end = rest.start + rest.length;

    for (;;) {
        struct slice value = take_line(&rest), name;

        if (value.length == 0)
            return;
        name = lowered(arena, slice_take_until(&value, ':'), end);
        value = slice_trim(value);
        if (is_sent(request, connects, name, value))
            put_field(out, name, value);
    }
}

enum { PSEUDO_MAX = 5 };

/* Pseudo-fields come first, though host, which is one of them, is known last. */
static void put_request(struct arena *arena, struct slice rest, struct slice scheme, bool connects,
                        struct h2_lines *out)
{
    struct slice line = take_line(&rest);
    struct request_line r = {.method = slice_take_until(&line, ' '),
                             .target = slice_take_until(&line, ' ')};
    struct h2_lines regular = {.fields = out->fields + PSEUDO_MAX};

    out->is_head = slice_is(r.method, SLICE("HEAD"));
    put_fields(arena, rest, &r, connects, &regular);
    out->fields += PSEUDO_MAX - 3 - (r.has_authority ? 1 : 0) - (connects ? 1 : 0);
    put_field(out, SLICE(":method"), connects ? SLICE("CONNECT") : r.method);
    if (connects)
        put_field(out, SLICE(":protocol"), r.protocol);
    put_field(out, SLICE(":scheme"), scheme);
    if (r.has_authority)
        put_field(out, SLICE(":authority"), r.authority);
    put_field(out, SLICE(":path"), r.target);
    out->count += regular.count;
}

static void put_response(struct arena *arena, struct slice rest, struct h2_lines *out)
{
    struct slice line = take_line(&rest), status;
    uint64_t number = 0;

    slice_take_until(&line, ' ');
    status = slice_take_until(&line, ' ');
    CHECK(status.length == STATUS_DIGITS && number_read(status, &number));
    out->status = (unsigned)number;
    put_field(out, SLICE(":status"), status);
    put_fields(arena, rest, NULL, false, out);
}

void h2_fields_of_lines(struct arena *arena, enum h2_head_kind kind, struct slice text,
                        struct slice scheme, bool connects, struct h2_lines *out)
{
    unsigned most = count_lines(text) + PSEUDO_MAX;

    *out = (struct h2_lines){.fields = arena_alloc(arena, most * sizeof *out->fields)};
    if (kind == H2_REQUEST)
        put_request(arena, text, scheme, connects, out);
    else if (kind == H2_RESPONSE)
        put_response(arena, text, out);
    else
        put_fields(arena, text, NULL, false, out);
}
