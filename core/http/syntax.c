/*
 *   request   START > METHOD > GOAL > TARGET > PROTO > V_END > EOL_LF > FIELDS
 *   response                                   PROTO > S_END [> REASON] > EOL_LF > FIELDS
 *   trailers  FIELDS [> NAME > VALUE > VAL_LF > FIELD > NAME ..] > END_LF > DONE
 */
#include "http/syntax.h"

#include "base/word.h"

#include <stdio.h>

enum { EMPTY_LINES_BYTES_MAX = 8, TLS_HANDSHAKE = 0x16, PROXY_EMPTY_BYTES = 4 };

/* What a byte is, in the low bits, next to the runs of bytes in which it may stand. */
enum {
    CONTROL,
    HTAB,
    LF,
    CR,
    SP,
    HASH,
    COLON,
    LETTER, /* and digits, and what else a token may have */
    SIGN,   /* visible, but in no token */
    OPAQUE, /* above 0x7f */
    CLASSES,
    CLASS = 0x0f,
};

enum {
    C = CONTROL,
    H = HTAB | IN_TEXT,
    S = SP | IN_TEXT,
    N = HASH | IN_TOKEN | IN_TEXT,
    K = COLON | IN_TARGET | IN_TEXT,
    L = LETTER | IN_TOKEN | IN_TARGET | IN_TEXT,
    V = SIGN | IN_TARGET | IN_TEXT,
    A = L | IN_HOST,
    B = V | IN_HOST,
    O = OPAQUE | IN_TEXT,
};

// clang-format off
const uint8_t syntax_bytes[256] = {
    C, C, C, C, C, C, C, C, C, H, LF, C, C, CR, C, C,
    C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
    S, A, V, N, A, L, A, A, B, B, A, A, V, A, A, V, /*  !"#$%&'()*+,-./ */
    A, A, A, A, A, A, A, A, A, A, K, B, V, B, V, V, /* 0123456789:;<=>? */
    V, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, /* @ABCDEFGHIJKLMNO */
    A, A, A, A, A, A, A, A, A, A, A, V, V, V, L, A, /* PQRSTUVWXYZ[\]^_ */
    L, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, /* `abcdefghijklmno */
    A, A, A, A, A, A, A, A, A, A, A, V, L, V, A, C, /* pqrstuvwxyz{|}~  */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
};
// clang-format on

enum state {
    START,
    METHOD,
    GOAL,
    TARGET,
    PROTO, /* the version, and of a response the status; see syntax_match */
    V_END,
    S_END,
    REASON,
    EOL_LF, /* from here on the first line is over */
    FIELDS,
    FIELD,
    NAME,
    VALUE,
    VAL_LF,
    END_LF,
    DONE,
    STATES,
    REFUSED = 0x80, /* in the table: with the reason, an enum syntax_fault */
};

#define REFUSAL(fault) (0x80 | (int)(fault)) /* the two are of different enumerations */

enum {
    barecr = REFUSAL(SYNTAX_BARE_CR),
    barelf = REFUSAL(SYNTAX_BARE_LF),
    method = REFUSAL(SYNTAX_METHOD),
    notarg = REFUSAL(SYNTAX_NO_TARGET),
    target = REFUSAL(SYNTAX_TARGET),
    spaces = REFUSAL(SYNTAX_SPACING),
    novers = REFUSAL(SYNTAX_NO_VERSION),
    more = REFUSAL(SYNTAX_NO_VERSION_YET),
    proto = REFUSAL(SYNTAX_VERSION),
    status = REFUSAL(SYNTAX_STATUS),
    reason = REFUSAL(SYNTAX_REASON),
    early = REFUSAL(SYNTAX_EARLY_SPACE),
    fold = REFUSAL(SYNTAX_FOLD),
    noname = REFUSAL(SYNTAX_NO_NAME),
    name = REFUSAL(SYNTAX_NAME),
    gap = REFUSAL(SYNTAX_SPACE_BEFORE_COLON),
    nocol = REFUSAL(SYNTAX_NO_COLON),
    value = REFUSAL(SYNTAX_VALUE),
};

/* Where a byte of each class leads: to a state or, in lower case, to a refusal. */
// clang-format off
static const uint8_t table[STATES][CLASSES] = {
    /*          control HTAB    LF      CR      SP      '#'     ':'     token   visible >0x7f */
    /* RFC 9110, 9.1: the method is a token. RFC 9112, 3: one space between the parts. */
    [START] = { method, spaces, barelf, barecr, spaces, METHOD, method, METHOD, method, method},
    [METHOD] = {method, spaces, barelf, notarg, GOAL,   METHOD, method, METHOD, method, method},
    /* RFC 9112, 3.2 and RFC 3986, 2; some signs more than there, which browsers send in a query. */
    [GOAL] = {  target, spaces, barelf, notarg, spaces, target, TARGET, TARGET, TARGET, target},
    [TARGET] = {target, spaces, barelf, novers, PROTO,  target, TARGET, TARGET, TARGET, target},
    /* RFC 9112, 2.3 and 3: nothing stands behind the version. */
    [V_END] = { proto,  spaces, barelf, EOL_LF, spaces, proto,  proto,  proto,  proto,  proto},
    /* RFC 9112, 4: a space, the reason, which may be empty; many leave the space out then. */
    [S_END] = { status, status, barelf, EOL_LF, REASON, status, status, status, status, status},
    [REASON] = {reason, REASON, barelf, EOL_LF, REASON, REASON, REASON, REASON, REASON, REASON},
    /* RFC 9112, 2.2: a line ends with both bytes; a bare CR is none, and no white space either. */
    [EOL_LF] = {barecr, barecr, FIELDS, barecr, barecr, barecr, barecr, barecr, barecr, barecr},
    /* RFC 9112, 2.2 and 5.2: no line begins with white space. RFC 9110, 5.1: a name is a token. */
    [FIELDS] = {name,   early,  barelf, END_LF, early,  NAME,   noname, NAME,   name,   name},
    [FIELD] = { name,   fold,   barelf, END_LF, fold,   NAME,   noname, NAME,   name,   name},
    /* RFC 9112, 5.1: no white space before the colon. */
    [NAME] = {  name,   gap,    nocol,  nocol,  gap,    NAME,   VALUE,  NAME,   name,   name},
    /* RFC 9110, 5.5: no control byte but HTAB. */
    [VALUE] = { value,  VALUE,  barelf, VAL_LF, VALUE,  VALUE,  VALUE,  VALUE,  VALUE,  VALUE},
    [VAL_LF] = {barecr, barecr, FIELD,  barecr, barecr, barecr, barecr, barecr, barecr, barecr},
    /* RFC 9112, 2.1: an empty line ends the head. */
    [END_LF] = {barecr, barecr, DONE,   barecr, barecr, barecr, barecr, barecr, barecr, barecr},
};
// clang-format on

/* The states that stay as long as the bytes are of this kind. */
static const uint8_t runs[STATES] = {
    [METHOD] = IN_TOKEN, [TARGET] = IN_TARGET, [REASON] = IN_TEXT,
    [NAME] = IN_TOKEN,   [VALUE] = IN_TEXT,
};

static void syntax_expect(struct syntax *s, enum state state, size_t head_max, size_t fields_max)
{
    *s = (struct syntax){.state = (uint8_t)state,
                         .line_max = SIZE_MAX,
                         .head_max = head_max,
                         .fields_max = fields_max};
}

void syntax_expect_request(struct syntax *s, size_t line_max, size_t head_max, size_t fields_max)
{
    syntax_expect(s, START, head_max, fields_max);
    s->line_max = line_max;
}

void syntax_expect_response(struct syntax *s, size_t head_max, size_t fields_max)
{
    syntax_expect(s, PROTO, head_max, fields_max);
    s->is_response = true;
}

void syntax_expect_trailers(struct syntax *s, size_t bytes_max, size_t fields_max)
{
    syntax_expect(s, FIELDS, bytes_max, fields_max);
}

bool syntax_is_complete(const struct syntax *s)
{
    return s->state == DONE;
}

bool syntax_is_at_start(const struct syntax *s)
{
    return s->taken == 0 && s->fault == SYNTAX_OK;
}

bool syntax_take(struct syntax *s, const struct head *head, size_t head_bytes)
{
    size_t line = head->method.length + head->target.length + strlen("  HTTP/1.1");

    if (head_bytes > s->head_max || head->fields_count > s->fields_max ||
        (!s->is_response && line > s->line_max))
        return false;
    s->taken = head_bytes;
    s->fields = head->fields_count;
    s->state = DONE;
    return true;
}

bool syntax_has_first_line(const struct syntax *s)
{
    return s->state > EOL_LF;
}

bool syntax_fault_has_name(const struct syntax *s)
{
    return s->state == NAME || s->state == VALUE || s->state == VAL_LF || s->fault == SYNTAX_NAME;
}

size_t syntax_skip_empty_lines(struct syntax *s, struct slice bytes)
{
    size_t at = 0;

    if (s->state != START || s->fault != SYNTAX_OK)
        return 0;
    for (; at < bytes.length; at++, s->empty_bytes++) {
        bool is_within = s->empty_bytes % 2 != 0;

        if (is_within && bytes.start[at] != '\n')
            s->fault = SYNTAX_BARE_CR;
        else if (!is_within && bytes.start[at] != '\r')
            break;
        else if (s->empty_bytes == EMPTY_LINES_BYTES_MAX)
            s->fault = SYNTAX_EMPTY_LINES;
        if (s->fault != SYNTAX_OK)
            break;
    }
    return at;
}

/* RFC 9112, 2.3: we speak two of all versions. */
static bool is_spoken(const struct syntax *s)
{
    return s->version[0] == '1' && s->version[1] <= '1';
}

enum { AT_MAJOR = 5, AT_MINOR = 7, AT_STATUS = 9 };

static unsigned syntax_mismatch(const struct syntax *s, char c)
{
    if (s->matched >= AT_STATUS)
        return status;
    if (s->matched >= AT_MAJOR)
        return proto;
    if (s->matched > 0)
        return s->is_response ? proto : more;
    if (s->is_response || c == '\r')
        return novers;
    return c == ' ' || c == '\t' ? spaces : c == '\n' ? barelf : more;
}

/* RFC 9112, 2.3 and 4: the version letter by letter, then the three digits of a status. Here 0
 * stands for any digit and 1 for one from 1 to 5. */
static unsigned syntax_match(struct syntax *s, char c)
{
    static const char literal[] = "HTTP/0.0 100";
    char wanted = literal[s->matched];
    char most = wanted == '0' ? '9' : wanted == '1' ? '5' : wanted;

    if (c < wanted || c > most)
        return syntax_mismatch(s, c);
    if (s->matched == AT_MAJOR || s->matched == AT_MINOR)
        s->version[s->matched == AT_MINOR] = c;
    s->matched++;
    if (s->matched == AT_STATUS && !is_spoken(s))
        return REFUSAL(SYNTAX_UNSPOKEN);
    if (s->matched > AT_MINOR && !s->is_response)
        return V_END;
    return s->matched == sizeof literal - 1 ? S_END : PROTO;
}

/* One byte that is not just more of the same. */
static bool syntax_step(struct syntax *s, char c)
{
    unsigned next = s->state == PROTO ? syntax_match(s, c)
                                      : table[s->state][syntax_bytes[(unsigned char)c] & CLASS];

    if (s->state == START && c == TLS_HANDSHAKE)
        next = REFUSAL(SYNTAX_TLS);
    else if (s->state == START && c == '\0' && s->empty_bytes == PROXY_EMPTY_BYTES)
        next = REFUSAL(SYNTAX_PROXY); /* its version 2 begins with two empty lines and a NUL */
    else if (s->state == V_END && next == EOL_LF && !is_spoken(s))
        next = REFUSAL(SYNTAX_UNSPOKEN);
    else if (next == NAME && s->fields++ == s->fields_max)
        next = REFUSAL(SYNTAX_MANY_FIELDS);
    if (next & REFUSED)
        s->fault = (uint8_t)(next & ~(unsigned)REFUSED);
    else
        s->state = (uint8_t)next;
    return !(next & REFUSED);
}

static const char *syntax_skip_run(const struct syntax *s, const char *at, const char *end)
{
    uint8_t run = runs[s->state];

    while (at < end && (syntax_bytes[(unsigned char)*at] & run) != 0)
        at++;
    return at;
}

static bool syntax_goes_on(const struct syntax *s)
{
    return s->state != DONE && s->fault == SYNTAX_OK;
}

/* The first line, up to its CR, which alone may stand where there is no room for more of it. */
static const char *syntax_accept_line(struct syntax *s, const char *at, const char *end)
{
    size_t room = s->line_max - s->taken;
    const char *line_end = (size_t)(end - at) > room ? at + room : end;

    while (at < end && s->state < EOL_LF && syntax_goes_on(s)) {
        at = syntax_skip_run(s, at, line_end);
        if (at == line_end && at < end && *at != '\r')
            s->fault = SYNTAX_LONG_LINE;
        else if (at < end && syntax_step(s, *at))
            at++;
    }
    return at;
}

size_t syntax_accept(struct syntax *s, struct slice bytes)
{
    size_t room = s->head_max - s->taken;
    const char *at = bytes.start;
    const char *end = at + (bytes.length < room ? bytes.length : room);

    if (s->state < EOL_LF)
        at = syntax_accept_line(s, at, end);
    while (at < end && syntax_goes_on(s)) {
        at = syntax_skip_run(s, at, end);
        if (at < end && syntax_step(s, *at))
            at++;
    }
    if (at < bytes.start + bytes.length && at == end && syntax_goes_on(s))
        s->fault = SYNTAX_LARGE_HEAD;
    s->taken += (size_t)(at - bytes.start);
    return (size_t)(at - bytes.start);
}

static bool has_only(struct slice text, uint8_t run)
{
    for (size_t i = 0; i < text.length; i++)
        if ((syntax_bytes[(unsigned char)text.start[i]] & run) == 0)
            return false;
    return true;
}

bool is_token(struct slice text)
{
    return text.length > 0 && has_only(text, IN_TOKEN);
}

/* Skips visible ASCII: of a target, or of a text, which may have spaces. The byte at which it stops
 * may still belong there. A byte that borrows or carries spoils only the bytes behind it, and it
 * stops at such a byte. */
static inline const char *skip_words(const char *at, const char *end, bool is_target)
{
    for (uint64_t word; (size_t)(end - at) >= sizeof word; at += sizeof word) {
        uint64_t found;

        word = word_read(at);
        found = word | (word - WORD_OF(is_target ? '!' : ' ')) | (word + WORD_OF(1));
        if (is_target)
            found |= (word ^ WORD_OF('#')) - WORD_OF(1);
        found &= WORD_OF(0x80);
        if (found != 0)
            return at + __builtin_ctzll(found) / 8;
    }
    return at;
}

const char *syntax_skip_target(const char *at, const char *end)
{
    at = skip_words(at, end, true);
    while (at < end && is_target_byte(*at))
        at++;
    return at;
}

const char *syntax_skip_text(const char *at, const char *end)
{
    at = skip_words(at, end, false);
    while (at < end && is_text_byte(*at))
        at = skip_words(at + 1, end, false);
    return at;
}

bool is_text(struct slice text)
{
    return text.length == 0 ||
           syntax_skip_text(text.start, text.start + text.length) == text.start + text.length;
}

/* RFC 9113, 3.4: the preface of HTTP/2. The PROXY protocol, 2.1: its version 1; the second is known
 * by its first bytes (syntax_step). */
enum syntax_fault syntax_request_fault(enum syntax_fault fault, struct slice head)
{
    if (slice_begins(head, SLICE("PRI * HTTP/2.0")))
        return SYNTAX_HTTP2;
    if (slice_begins(head, SLICE("PROXY TCP4")) || slice_begins(head, SLICE("PROXY TCP6")) ||
        slice_begins(head, SLICE("PROXY UNKNOWN")))
        return SYNTAX_PROXY;
    return fault;
}

const char *syntax_fault_text(enum syntax_fault fault)
{
    static const char *const texts[] = {
        [SYNTAX_OK] = "",
        [SYNTAX_LONG_LINE] = "a request line longer than limits.request_line",
        [SYNTAX_LARGE_HEAD] = "larger than limits.head",
        [SYNTAX_MANY_FIELDS] = "more fields than limits.fields",
        [SYNTAX_UNSPOKEN] = "an HTTP version other than 1.0 and 1.1",
        [SYNTAX_BARE_CR] = "a bare carriage return",
        [SYNTAX_BARE_LF] = "a bare line feed",
        [SYNTAX_EMPTY_LINES] = "too many empty lines before the request",
        [SYNTAX_TLS] =
            ("a TLS handshake on a plain HTTP port: ask by http://, or listen = { { \":443\", "
             "tls = true } }"),
        [SYNTAX_PROXY] = "a PROXY header on a plain port: listen = { { \":80\", proxy = true } }",
        [SYNTAX_HTTP2] = "HTTP/2 on a port that speaks HTTP/1.1: let the proxy in front send that",
        [SYNTAX_METHOD] = "a method that is not a token",
        [SYNTAX_NO_TARGET] = "no request target",
        [SYNTAX_TARGET] = "a byte that a request target may not have",
        [SYNTAX_SPACING] = "white space other than one space in the request line",
        [SYNTAX_NO_VERSION] = "no HTTP version",
        [SYNTAX_NO_VERSION_YET] = "a space in the request target, or no HTTP version behind it",
        [SYNTAX_VERSION] = "a malformed HTTP version",
        [SYNTAX_STATUS] = "a status that is not three digits from 100 to 599",
        [SYNTAX_REASON] = "a control byte in the reason phrase",
        [SYNTAX_EARLY_SPACE] = "white space before the first field",
        [SYNTAX_FOLD] = "a folded field line",
        [SYNTAX_NO_NAME] = "an empty field name",
        [SYNTAX_NAME] = "a field name that is not a token",
        [SYNTAX_SPACE_BEFORE_COLON] = "white space before a colon",
        [SYNTAX_NO_COLON] = "a field line without a colon",
        [SYNTAX_VALUE] = "a control byte in a field value",
        [SYNTAX_CHUNK_SIZE] = "a chunk size that is not hexadecimal",
        [SYNTAX_CHUNK_OVERFLOW] = "a chunk size beyond 2^63 - 1",
        [SYNTAX_CHUNK_EXTENSION] = "a malformed chunk extension",
        [SYNTAX_CHUNK_LINE] = "a malformed line end in the chunked coding",
        [SYNTAX_CHUNK_END] = "a chunk that is not as long as its size",
        [SYNTAX_CHUNK_CODING] = "too many bytes of chunk sizes, extensions and trailers",
    };

    return texts[fault];
}

const char *syntax_fault_of_name(struct arena *arena, const struct syntax *s, struct slice head,
                                 char wrong)
{
    enum { SHOWN_MAX = 60 };
    const char *line = memrchr(head.start, '\n', head.length);
    const char *start = line != NULL ? line + 1 : head.start;
    struct slice rest = {start, (size_t)(head.start + head.length - start)};
    struct slice shown = slice_take_until(&rest, ':');
    const char *why = syntax_fault_text((enum syntax_fault)s->fault);
    size_t room = strlen(why) + SHOWN_MAX + sizeof ": \\x00";
    char *text = arena_alloc(arena, room), last[sizeof "\\x00"] = "";

    if (s->fault == SYNTAX_NAME)
        snprintf(last, sizeof last, wrong > ' ' && wrong < 0x7f ? "%c" : "\\x%02x",
                 (unsigned char)wrong);
    snprintf(text, room, "%s: %.*s%s", why,
             shown.length < SHOWN_MAX ? (int)shown.length : SHOWN_MAX, shown.start, last);
    return text;
}
