/*
 * syntax - is this the head of a message to the letter (RFC 9112, 2 to 5)? Pure.
 *
 * A table of states and classes of bytes, which is asked before anything else looks at a head: it
 * stops at the first byte that does not belong there, always the same one, however the bytes are
 * cut into reads. The section of trailers has the same field lines and is asked the same way.
 */
#ifndef HTTP_SYNTAX_H
#define HTTP_SYNTAX_H

#include "base/arena.h"
#include "http/head.h"

#include <stdint.h>

enum syntax_fault {
    SYNTAX_OK,
    SYNTAX_LONG_LINE, /* the limits: the byte that is one too many */
    SYNTAX_LARGE_HEAD,
    SYNTAX_MANY_FIELDS,
    SYNTAX_UNSPOKEN, /* a version, well formed, that is neither 1.0 nor 1.1 */
    SYNTAX_BARE_CR,
    SYNTAX_BARE_LF,
    SYNTAX_EMPTY_LINES,
    SYNTAX_TLS, /* another protocol, by its first bytes */
    SYNTAX_PROXY,
    SYNTAX_HTTP2,
    SYNTAX_METHOD,
    SYNTAX_NO_TARGET,
    SYNTAX_TARGET,
    SYNTAX_SPACING,
    SYNTAX_NO_VERSION,
    SYNTAX_NO_VERSION_YET, /* more of a target, or something like a version */
    SYNTAX_VERSION,
    SYNTAX_STATUS,
    SYNTAX_REASON,
    SYNTAX_EARLY_SPACE,
    SYNTAX_FOLD,
    SYNTAX_NO_NAME,
    SYNTAX_NAME,
    SYNTAX_SPACE_BEFORE_COLON,
    SYNTAX_NO_COLON,
    SYNTAX_VALUE,
    SYNTAX_CHUNK_SIZE, /* these are of chunks */
    SYNTAX_CHUNK_OVERFLOW,
    SYNTAX_CHUNK_EXTENSION,
    SYNTAX_CHUNK_LINE,
    SYNTAX_CHUNK_END,
    SYNTAX_CHUNK_CODING,
};

struct syntax {
    size_t taken; /* bytes that belong; empty lines before a request do not count */
    size_t line_max, head_max;
    size_t fields_max;
    unsigned fields; /* begun so far */
    uint8_t fault;   /* an enum syntax_fault */
    uint8_t state, matched, empty_bytes;
    bool is_response;
    char version[2]; /* the digits */
};

/* Sets all of it. The first line is counted without its line end; only requests have a limit for
 * it. A head is counted with all of its line ends. */
void syntax_expect_request(struct syntax *, size_t line_max, size_t head_max, size_t fields_max);
void syntax_expect_response(struct syntax *, size_t head_max, size_t fields_max);
void syntax_expect_trailers(struct syntax *, size_t bytes_max, size_t fields_max);

/* How many of the bytes are empty lines before a request: a few are forgiven (RFC 9112, 2.2). */
size_t syntax_skip_empty_lines(struct syntax *, struct slice bytes);
/* Nothing of the message was seen, so that all of it is where the bytes begin. */
bool syntax_is_at_start(const struct syntax *);
/* What scan has found: all of a head in one piece, which syntax_accept would have accepted. False
 * if it is beyond the limits: which is the first one, syntax_accept says. */
bool syntax_take(struct syntax *, const struct head *, size_t head_bytes);
/* How many of the bytes belong. Fewer than there are: what follows is not the head's if
 * syntax_is_complete, else fault says what is wrong with the next one. */
size_t syntax_accept(struct syntax *, struct slice bytes);
bool syntax_is_complete(const struct syntax *);
bool syntax_has_first_line(const struct syntax *); /* with its line end */
/* The fault is in a field line whose name has begun. */
bool syntax_fault_has_name(const struct syntax *);

/* The fault of a request, of which that much was read: another one if it begins as no valid request
 * does, but another protocol. */
enum syntax_fault syntax_request_fault(enum syntax_fault, struct slice head);

const char *syntax_fault_text(enum syntax_fault);
/* "a field name that is not a token: X-A[": the name of the field up to its colon, or with the byte
 * that does not belong in it; in the arena. The head ends before that byte. */
const char *syntax_fault_of_name(struct arena *, const struct syntax *, struct slice head,
                                 char wrong);

/* In which runs of bytes one may stand; what else is in the table is syntax.c's. */
enum { IN_TOKEN = 0x10, IN_TARGET = 0x20, IN_TEXT = 0x40, IN_HOST = 0x80 };
extern const uint8_t syntax_bytes[256];

/* RFC 9110, 5.6.2. */
static inline bool is_token_byte(char c)
{
    return (syntax_bytes[(unsigned char)c] & IN_TOKEN) != 0;
}

/* RFC 9112, 3.2 and RFC 3986, 2; some signs more than there, which browsers send in a query. */
static inline bool is_target_byte(char c)
{
    return (syntax_bytes[(unsigned char)c] & IN_TARGET) != 0;
}

/* White space, and any byte but a control; above 0x7f bytes are opaque (RFC 9110, 5.5). */
static inline bool is_text_byte(char c)
{
    return (syntax_bytes[(unsigned char)c] & IN_TEXT) != 0;
}

/* RFC 3986, 3.2.2: a byte of a registered name, but for the comma, which is also what joins two
 * Host lines to one. */
static inline bool is_host_byte(char c)
{
    return (syntax_bytes[(unsigned char)c] & IN_HOST) != 0;
}

/* Behind the bytes of such a run, eight of which are looked at at a time. */
const char *syntax_skip_target(const char *at, const char *end);
const char *syntax_skip_text(const char *at, const char *end);

bool is_token(struct slice); /* of such bytes, and not empty: a method, a field's name */
bool is_text(struct slice);  /* of such bytes, or empty: a field's value */

#endif
