/*
 * A head that is there in one piece is taken by scan.c; any other is looked at by syntax.c as it
 * comes in, and by scan.c when it is complete. Its bytes are copied to the arena, once; then llhttp
 * is asked where the body ends. It has read a first line already: one of its states is kept for
 * requests and one for responses, and every message begins with a copy of that.
 */
#include "http/parse.h"

#include "http/scan.h"

#include <llhttp.h>

enum { FIELDS_AT_ONCE_MAX = 64, FED_AT_THE_END = 16384 };

_Static_assert(sizeof(llhttp_t) <= PARSE_STATE_BYTES, "PARSE_STATE_BYTES is too small");

static const char *const ambiguous_length = "ambiguous length of the body";

static llhttp_t *parse_http(struct parse *p)
{
    return (llhttp_t *)(void *)p->state;
}

static struct parse *parse_of(llhttp_t *http)
{
    return http->data;
}

/* --- llhttp --- */

static int on_body_piece(llhttp_t *http, const char *at, size_t length)
{
    struct parse *p = parse_of(http);

    p->on_body(p, (struct slice){at, length});
    return 0;
}

/* No body whatever the fields say (RFC 9112, 6.3). */
static bool parse_is_bodiless(const struct parse *p)
{
    unsigned status = p->head.status;

    return p->is_response &&
           (p->is_head_answer || status / 100 == 1 || status == 204 || status == 304);
}

static int on_headers_complete(llhttp_t *http)
{
    struct parse *p = parse_of(http);

    if (!p->is_response && (http->flags & F_TRANSFER_ENCODING) && !(http->flags & F_CHUNKED))
        return HPE_USER; /* RFC 9112, 6.3: a request that never ends */
    if (!parse_is_bodiless(p)) {
        p->is_chunked = (http->flags & F_CHUNKED) != 0;
        p->ends_with_connection = llhttp_message_needs_eof(http) != 0;
        p->length = http->flags & F_CONTENT_LENGTH ? http->content_length : 0;
        p->left = p->length;
        p->has_body = p->is_chunked || p->ends_with_connection || p->length > 0;
    }
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *http)
{
    parse_of(http)->is_complete = true;
    return HPE_PAUSED;
}

static void parse_prepare_http(llhttp_t *http, llhttp_type_t type, struct slice line,
                               struct slice name)
{
    static llhttp_settings_t settings;

    llhttp_settings_init(&settings);
    settings.on_headers_complete = on_headers_complete;
    settings.on_message_complete = on_message_complete;
    settings.on_body = on_body_piece;
    llhttp_init(http, type, &settings);
    CHECK(llhttp_execute(http, line.start, line.length) == HPE_OK);
    CHECK(name.length == 0 || llhttp_execute(http, name.start, name.length) == HPE_OK);
}

/* What llhttp has heard when a message begins: a first line, and perhaps the name of the field
 * that is the first to say anything of the body. The line of a client or a backend may be one
 * that it does not know, and says nothing about where the message ends, or is asked by
 * parse_is_bodiless. */
enum heard { HEARD_LINE, HEARD_LENGTH, HEARD_CODING, HEARD_KINDS };

static const llhttp_t *parse_http_behind(bool is_response, enum heard heard)
{
    static const struct slice lines[2] = {{"POST / HTTP/1.1\r\n", 17}, {"HTTP/1.1 200 OK\r\n", 17}};
    static const struct slice names[HEARD_KINDS] = {
        {"", 0}, {"Content-Length:", 15}, {"Transfer-Encoding:", 18}};
    static llhttp_t prepared[2][HEARD_KINDS];
    llhttp_t *http = &prepared[is_response][heard];

    if (http->settings == NULL)
        parse_prepare_http(http, is_response ? HTTP_RESPONSE : HTTP_REQUEST, lines[is_response],
                           names[heard]);
    return http;
}

/* Runs llhttp over the bytes; false if it stopped because of them. */
static bool parse_tell(struct parse *p, struct slice bytes)
{
    llhttp_t *http = parse_http(p);
    llhttp_errno_t code =
        bytes.length > 0 ? llhttp_execute(http, bytes.start, bytes.length) : HPE_OK;

    if (code == HPE_PAUSED)
        llhttp_resume(http);
    return code == HPE_OK || code == HPE_PAUSED;
}

/* llhttp hears a value without the white space around it (RFC 9110, 5.5), which one version of it
 * takes for a part of it here and that of another does not. */
static bool parse_tell_value(struct parse *p, struct slice value, bool is_plain)
{
    if (is_plain)
        return parse_tell(p, (struct slice){value.start, value.length + strlen("\r\n")});
    return parse_tell(p, value) && parse_tell(p, SLICE("\r\n"));
}

static bool parse_tell_fields(struct parse *p, bool is_first_name_told)
{
    bool is_name_told = is_first_name_told;

    for (unsigned i = 0; i < p->head.fields_count; i++) {
        const struct field *field = &p->head.fields[i];
        bool is_plain = p->head.kinds[i] & FIELD_IS_PLAIN;
        unsigned kind = p->head.kinds[i] & ~(unsigned)FIELD_IS_PLAIN;

        if (kind != FIELD_CONTENT_LENGTH && kind != FIELD_TRANSFER_ENCODING)
            continue;
        if (!is_name_told && !(parse_tell(p, field->name) && parse_tell(p, SLICE(":"))))
            return false;
        if (!parse_tell_value(p, field->value, is_plain))
            return false;
        is_name_told = false;
    }
    return true;
}

static void parse_ask_llhttp(struct parse *p)
{
    bool is_counted = head_has(&p->head, FIELD_CONTENT_LENGTH);
    bool is_coded = head_has(&p->head, FIELD_TRANSFER_ENCODING);
    enum heard heard = is_counted == is_coded ? HEARD_LINE : is_coded ? HEARD_CODING : HEARD_LENGTH;

    memcpy(p->state, parse_http_behind(p->is_response, heard), sizeof(llhttp_t));
    parse_http(p)->data = p;
    if (!parse_tell_fields(p, heard != HEARD_LINE) || !parse_tell(p, SLICE("\r\n"))) {
        p->is_ambiguous = true;
        p->has_body = true; /* nobody knows what follows */
    }
}

/* Of a request without a framing field llhttp hears the same each time, the end of an empty
 * section. So it is asked once, and has to say then that no body follows. */
static bool parse_bare_request_ends(void)
{
    struct parse bare = {0};

    parse_ask_llhttp(&bare);
    return parse_agrees(&bare, FRAMING_NONE, 0) && !bare.has_body;
}

static void parse_ask_where_it_ends(struct parse *p)
{
    static bool has_answered;

    if (p->is_response || head_has(&p->head, FIELD_CONTENT_LENGTH) ||
        head_has(&p->head, FIELD_TRANSFER_ENCODING)) {
        parse_ask_llhttp(p);
    } else if (!has_answered) {
        CHECK(parse_bare_request_ends());
        has_answered = true;
    }
}

/* --- the head --- */

static void parse_init(struct parse *p, const struct parse_limits *limits, struct arena *arena,
                       void (*on_body)(struct parse *, struct slice))
{
    memset(p, 0, sizeof *p);
    p->on_body = on_body;
    p->limits = limits;
    p->arena = arena;
}

void parse_init_request(struct parse *p, const struct parse_limits *limits, struct arena *arena,
                        void (*on_body)(struct parse *, struct slice))
{
    parse_init(p, limits, arena, on_body);
    syntax_expect_request(&p->syntax, limits->request_line, limits->head, limits->fields);
}

void parse_init_response(struct parse *p, const struct parse_limits *limits, struct arena *arena,
                         bool answers_head, void (*on_body)(struct parse *, struct slice))
{
    parse_init(p, limits, arena, on_body);
    syntax_expect_response(&p->syntax, limits->head, limits->fields);
    p->is_response = true;
    p->is_head_answer = answers_head;
}

void parse_dispose(struct parse *p)
{
    buffer_dispose(&p->partial);
}

bool parse_agrees(const struct parse *p, enum framing framing, uint64_t length)
{
    return !p->is_ambiguous && p->is_chunked == (framing == FRAMING_CHUNKED) &&
           p->ends_with_connection == (framing == FRAMING_UNTIL_CLOSE) &&
           p->length == (framing == FRAMING_COUNTED ? length : 0);
}

bool parse_is_at_start(const struct parse *p)
{
    return p->syntax.taken == 0;
}

static enum parse_step parse_fail(struct parse *p, enum parse_error error, const char *why)
{
    p->error = error;
    p->why = why;
    return PARSE_FAILED;
}

static enum parse_step parse_refuse(struct parse *p, enum syntax_fault fault)
{
    static const enum parse_error errors[] = {
        [SYNTAX_LONG_LINE] = PARSE_LONG_LINE,     [SYNTAX_LARGE_HEAD] = PARSE_LARGE_HEAD,
        [SYNTAX_MANY_FIELDS] = PARSE_MANY_FIELDS, [SYNTAX_UNSPOKEN] = PARSE_BAD_VERSION,
        [SYNTAX_CHUNK_CODING] = PARSE_LARGE_HEAD, [SYNTAX_HTTP2] = PARSE_BAD_VERSION,
    };
    enum parse_error error = errors[fault];

    return parse_fail(p, error != PARSE_OK ? error : PARSE_BAD, syntax_fault_text(fault));
}

/* The bytes that came before and these, together, where they stay as long as the message. */
static struct slice parse_gather(struct parse *p, struct slice last)
{
    struct slice partial = buffer_slice(&p->partial);
    size_t length = partial.length + last.length;
    char *bytes;

    if (length == 0) /* the very first byte was wrong */
        return (struct slice){"", 0};
    bytes = arena_alloc(p->arena, length);
    if (partial.length > 0)
        memcpy(bytes, partial.start, partial.length);
    memcpy(bytes + partial.length, last.start, last.length);
    buffer_dispose(&p->partial);
    return (struct slice){bytes, length};
}

static struct scan_room parse_room(struct parse *p, unsigned count)
{
    struct field *fields = arena_alloc(p->arena, count * (sizeof *fields + 1));

    return (struct scan_room){fields, (unsigned char *)(fields + count), count};
}

static size_t parse_scan(struct parse *p, struct slice bytes, const struct scan_room *room)
{
    return p->is_response ? scan_response(bytes, room, &p->head)
                          : scan_request(bytes, room, &p->head);
}

static enum parse_step parse_take_head(struct parse *p, size_t head_bytes)
{
    p->head_bytes = head_bytes;
    p->has_head = true;
    parse_ask_where_it_ends(p);
    if (p->is_chunked)
        chunks_init(&p->chunks, p->limits->head, p->limits->fields);
    return PARSE_HEAD;
}

/* A head that came in one piece, as nearly all do; gives how long it is, or 0. */
static size_t parse_take_whole(struct parse *p, struct slice bytes)
{
    static struct field fields[FIELDS_AT_ONCE_MAX];
    static unsigned char kinds[FIELDS_AT_ONCE_MAX];
    struct scan_room room = {fields, kinds, FIELDS_AT_ONCE_MAX};
    size_t length;
    char *copy;

    if (!syntax_is_at_start(&p->syntax))
        return 0;
    length = parse_scan(p, bytes, &room);
    if (length == 0 || !syntax_take(&p->syntax, &p->head, length)) {
        p->head = (struct head){0};
        return 0;
    }
    copy = arena_alloc(p->arena, length);
    memcpy(copy, bytes.start, length);
    room = parse_room(p, p->head.fields_count);
    scan_move(&p->head, bytes.start, copy, &room);
    return length;
}

/* The last piece of a head, all of which syntax has accepted. */
static void parse_take_pieces(struct parse *p, struct slice last)
{
    struct slice bytes = parse_gather(p, last);
    struct scan_room room = parse_room(p, p->syntax.fields);

    CHECK(parse_scan(p, bytes, &room) == bytes.length);
}

/* Its first line, if that was well, says whose it is. Behind last is the byte that is wrong. */
static enum parse_step parse_refuse_head(struct parse *p, struct slice last)
{
    struct slice head = parse_gather(p, last);
    struct scan_room room = {0};
    enum parse_step step;

    if (!p->is_response)
        p->syntax.fault = (uint8_t)syntax_request_fault((enum syntax_fault)p->syntax.fault, head);
    step = parse_refuse(p, (enum syntax_fault)p->syntax.fault);
    if (!syntax_has_first_line(&p->syntax))
        return step;
    if (!p->is_response)
        scan_request(head, &room, &p->head);
    if (p->error == PARSE_BAD && syntax_fault_has_name(&p->syntax))
        p->why = syntax_fault_of_name(p->arena, &p->syntax, head, last.start[last.length]);
    return step;
}

static enum parse_step parse_feed_head(struct parse *p, struct slice bytes, size_t *used)
{
    size_t skipped = syntax_skip_empty_lines(&p->syntax, bytes);
    struct slice rest = slice_from(bytes, skipped);
    size_t whole = parse_take_whole(p, rest);

    *used = skipped + whole;
    if (whole > 0)
        return parse_take_head(p, whole);
    rest.length = syntax_accept(&p->syntax, rest);
    *used += rest.length;
    if (p->syntax.fault != SYNTAX_OK)
        return parse_refuse_head(p, rest);
    if (syntax_is_complete(&p->syntax)) {
        parse_take_pieces(p, rest);
        return parse_take_head(p, p->syntax.taken);
    }
    if (rest.length > 0)
        buffer_append(&p->partial, rest);
    return PARSE_MORE;
}

/* --- the body --- */

/* The empty section of most messages has nothing to keep. */
static void parse_take_trailers(struct parse *p, struct slice bytes)
{
    unsigned count = p->chunks.trailers.fields;
    struct head trailers = {0};
    struct scan_room room;
    struct slice section;

    if (count == 0)
        return;
    if (!chunks_are_complete(&p->chunks)) {
        buffer_append(&p->partial, bytes);
        return;
    }
    section = parse_gather(p, bytes);
    room = parse_room(p, count);
    CHECK(scan_trailers(section, &room, &trailers) == section.length);
    p->trailers = trailers.fields;
    p->trailers_count = count;
}

static enum parse_step parse_feed_chunks(struct parse *p, struct slice bytes, size_t *used)
{
    bool are_dropped;

    *used = bytes.length = chunks_accept(&p->chunks, bytes, &are_dropped);
    if (bytes.length == 0)
        return parse_refuse(p, p->chunks.fault);
    if (are_dropped)
        parse_take_trailers(p, bytes);
    else if (!parse_tell(p, bytes))
        return parse_fail(p, PARSE_BAD, ambiguous_length);
    if (!chunks_are_complete(&p->chunks))
        return PARSE_MORE;
    /* The section of trailers was not for llhttp, but for its end. */
    return parse_tell(p, SLICE("\r\n")) && p->is_complete
               ? PARSE_END
               : parse_fail(p, PARSE_BAD, ambiguous_length);
}

/* Counted, or all that comes. */
static enum parse_step parse_feed_plain(struct parse *p, struct slice bytes, size_t *used)
{
    bool is_counted = !p->ends_with_connection;
    bool ends_here = is_counted && bytes.length >= p->left;

    if (ends_here)
        bytes.length = (size_t)p->left;
    p->left -= is_counted ? bytes.length : 0;
    *used = bytes.length;
    p->on_body(p, bytes);
    return ends_here ? PARSE_END : PARSE_MORE;
}

static enum parse_step parse_feed_body(struct parse *p, struct slice bytes, size_t *used)
{
    if (p->is_ambiguous)
        return parse_fail(p, PARSE_BAD, ambiguous_length);
    if (!p->has_body)
        return PARSE_END;
    if (p->is_chunked)
        return parse_feed_chunks(p, bytes, used);
    return parse_feed_plain(p, bytes, used);
}

enum parse_step parse_feed(struct parse *p, struct slice bytes, size_t *used)
{
    *used = 0;
    if (p->error != PARSE_OK)
        return PARSE_FAILED;
    if (bytes.length == 0)
        return PARSE_MORE;
    return p->has_head ? parse_feed_body(p, bytes, used) : parse_feed_head(p, bytes, used);
}

uint64_t parse_unseen(const struct parse *p)
{
    if (!p->has_head || !p->has_body || p->is_chunked || p->is_ambiguous || p->error != PARSE_OK)
        return 0;
    if (p->ends_with_connection)
        return UINT64_MAX;
    return p->left > FED_AT_THE_END ? p->left - FED_AT_THE_END : 0;
}

void parse_pass(struct parse *p, uint64_t length)
{
    CHECK(length <= parse_unseen(p));
    if (!p->ends_with_connection)
        p->left -= length;
}

enum parse_step parse_finish(struct parse *p)
{
    if (p->ends_with_connection)
        return PARSE_END;
    return parse_fail(p, PARSE_CUT,
                      p->has_head ? "the connection ended in the middle of a body"
                                  : "the connection ended in the middle of a head");
}

#define TEXT_OF(number)       #number
#define VERSION_TEXT(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *parse_library_version(void)
{
    return VERSION_TEXT(LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH);
}
