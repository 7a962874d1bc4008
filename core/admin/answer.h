/*
 * answer - what a route of the admin listener is asked, and what it answers.
 *
 * A route writes its body into a buffer, at most a piece of ANSWER_PIECE_BYTES or so at a time, and
 * says whether more follows: it is asked again when the client has taken that, and other events
 * come in between. What it has to remember until then is in `at` and its neighbours.
 */
#ifndef ADMIN_ANSWER_H
#define ADMIN_ANSWER_H

#include "admin/admin.h"
#include "base/buffer.h"
#include "http/head.h"

enum { ANSWER_PIECE_BYTES = 49152, ANSWER_BODY_MAX = 32768, ANSWER_PATH_MAX = 1024 };

enum answer_step {
    ANSWER_DONE,
    ANSWER_MORE,   /* and it is to be asked again */
    ANSWER_WAITS,  /* the same, in wait_ms */
    ANSWER_PASSED, /* another process has the connection, and answers */
};

struct answer {
    const struct admin *admin; /* whom it tells of */
    /* The request. */
    const struct head *head;
    struct slice method, path, query, body;
    char name[ROSTER_NAME_BYTES]; /* what stands where the route's path has a *, unescaped */
    bool is_local;                /* it came over a unix socket */
    int socket;
    /* The answer: 200 and application/json, unless the route says something else in its first
     * call. */
    unsigned status;
    const char *type, *allow; /* allow: of a 405 */
    const char *fields;       /* more of the head, whole lines; NULL: none */
    bool is_endless;          /* ends when the client leaves; no limit of time */
    /* The route's own. */
    uint64_t at, began_ms, until_ms, wait_ms, row;
    uint64_t behind; /* among records with the same `at` */
    unsigned written;
    bool has_begun, has_items; /* of a list */
    bool has_rows;             /* backends are wanted, too */
};

typedef enum answer_step answer_write(struct answer *, struct buffer *out);

/* {"error":"...","status":404}, and done. */
enum answer_step answer_error(struct answer *, struct buffer *out, unsigned status,
                              const char *message, ...) PRINTF(4, 5);
/* The value of a parameter of the query, as it stands there; empty: it has none. */
struct slice answer_parameter(const struct answer *, struct slice name);
/* What is escaped with % there, as a text. False: it has no room, or is wrong. */
bool answer_unescape(struct slice text, char out[ROSTER_NAME_BYTES]) MUST_USE;
/* Has the query a parameter that is not among these? Then *unknown is its name, and *nearest the
 * one that was probably meant, or NULL. */
bool answer_is_asked_more(const struct answer *, const char *const *known, size_t count,
                          struct slice *unknown, const char **nearest);

#endif
