/*
 * parse - bytes of a connection to heads and pieces of bodies.
 *
 * Feed it what was read; it stops at the end of a head and at the end of a
 * message, so that the owner can act there, and says how much it has used. The
 * result does not depend on how the bytes were cut into reads: an error is that
 * of the first byte that does not belong there, syntax or limit.
 *
 * syntax.c and chunks.c decide what belongs. llhttp, its lenient flags off, gets
 * the fields that say where the body ends, and chunks: it is the second reader,
 * and what it understands differently is refused (RFC 9112, 6.3 and 11.2). The
 * rest of a head it does not see, so that its version makes no difference there,
 * nor bytes that are only counted: on how many, the two agree.
 */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/check.h"
#include "http/chunks.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/syntax.h"

#include <stdint.h>

enum parse_step {
    PARSE_MORE, /* the message continues */
    PARSE_HEAD, /* the head is complete: parse->head */
    PARSE_END,  /* the message is complete; init again for the next one */
    PARSE_FAILED,
};

enum parse_error {
    PARSE_OK,
    PARSE_BAD,         /* not HTTP, or ambiguous */
    PARSE_BAD_VERSION, /* well formed, but neither 1.0 nor 1.1 */
    PARSE_LONG_LINE,   /* limits.request_line */
    PARSE_LARGE_HEAD,  /* limits.head, or CHUNKS_CODING_MAX */
    PARSE_MANY_FIELDS, /* limits.fields; trailers have the same limit for themselves */
    PARSE_CUT,         /* the connection ended in the middle */
};

struct parse_limits { /* bytes, but for fields; request_line without its line end */
    size_t request_line, head, fields;
};

enum { PARSE_STATE_BYTES = 128 };

struct parse {
    /* A piece of the body, its coding removed; borrowed for the call. */
    void (*on_body)(struct parse *, struct slice);
    /* From PARSE_HEAD on; its bytes are in the arena. Of a request that is refused for what is
     * behind its first line: method, target and version. */
    struct head head;
    enum parse_error error;
    const char *why;   /* with PARSE_FAILED: what is wrong, static or in the arena */
    size_t head_bytes; /* how long the head was on the wire */
    bool has_head;     /* PARSE_HEAD has come */
    bool has_body;     /* there are bytes of body to come, by the framing the parser found */
    bool is_chunked;   /* by the framing the parser found, like the rest */
    bool ends_with_connection;
    uint64_t length; /* of a counted body */
    /* At PARSE_END of a chunked message: its trailer fields, in the arena; limits.fields and
     * limits.head hold for them as well. */
    struct field *trailers;
    unsigned trailers_count;

    /* the parser's own */
    _Alignas(8) unsigned char state[PARSE_STATE_BYTES];
    const struct parse_limits *limits;
    struct arena *arena;
    struct buffer partial; /* of a head or of trailers, from earlier reads */
    struct syntax syntax;
    struct chunks chunks;
    bool is_response, is_head_answer;
    bool is_ambiguous; /* llhttp refuses the framing fields */
    bool is_complete;  /* the chunks, by what llhttp has seen */
    uint64_t left;     /* of a counted body */
};

/* Borrows limits and arena until parse_dispose; zeroes everything else. */
void parse_init_request(struct parse *, const struct parse_limits *, struct arena *,
                        void (*on_body)(struct parse *, struct slice));
void parse_init_response(struct parse *, const struct parse_limits *, struct arena *,
                         bool answers_head, void (*on_body)(struct parse *, struct slice));
void parse_dispose(struct parse *);

/* *used says how many of the bytes were taken: feed the rest, if the step is PARSE_MORE and
 * there is one. */
enum parse_step parse_feed(struct parse *, struct slice bytes, size_t *used) MUST_USE;
/* How many of the next bytes are of the body and need not be fed: parse_pass says that so many
 * went by. The end of a body that is counted is always fed. */
uint64_t parse_unseen(const struct parse *);
void parse_pass(struct parse *, uint64_t length);
/* The connection ended: PARSE_END if that ends the message, else PARSE_FAILED. */
enum parse_step parse_finish(struct parse *) MUST_USE;
/* From PARSE_HEAD on: does llhttp end this message where framing says that it ends? If not, the
 * two read it differently, and so may others. */
bool parse_agrees(const struct parse *, enum framing, uint64_t length);
/* No byte of a message was seen so far (empty lines do not count). */
bool parse_is_at_start(const struct parse *);

const char *parse_library_version(void); /* of llhttp */

#endif
