/*
 * fetch - one HTTP request of a script, and its answer.
 *
 * It takes a kept connection, or waits its turn and opens a new one. It keeps the connection for
 * the next request if it can be used again. A safe request is sent once more if its kept connection
 * turns out to be closed.
 *
 * The request is built from checked parts, so no text of a script can begin another field or
 * another request. The answer is read as strictly as a backend's (http/response.h), its head and
 * its body are bounded, interim responses are skipped, and one time limit is for everything, from
 * the lookup of the name to the last byte.
 *
 * fetch_init, then the parts, then fetch_start, which ends in exactly one on_over, never inside
 * the call; fetch_dispose at any time, and then in silence.
 *
 * With on_part the body is taken as it comes: the owner consumes what is in body. The time limit
 * ends with the head, and nothing is read until fetch_read_on.
 */
#ifndef DIAL_FETCH_H
#define DIAL_FETCH_H

#include "dial/dial.h"
#include "http/response.h"
#include "http/target.h"

enum { FETCH_BODY_MAX = 16 << 20, FETCH_FIELDS_MAX = 100 };

struct fetch { /* embedded; stays in place until fetch_dispose */
    void (*on_over)(struct fetch *);
    void (*on_part)(struct fetch *); /* NULL, or: there is the final head, or more of the body */
    bool has_head;                   /* response.parse.head is the final one, until fetch_dispose */
    bool has_answer; /* response.parse.head and body are the answer, until fetch_dispose */
    struct response response;
    struct buffer body;
    char why[DIAL_WHY_BYTES]; /* without one: "timeout: .." */

    /* the fetch's own */
    struct loop *loop;
    struct dial dial;
    struct link *link;
    struct deadline limit;
    uint64_t timeout_ms, until_ms;
    size_t body_max;
    struct arena arena;
    struct address to;
    struct secured_wish *wish; /* NULL: http:// */
    bool has_https;
    struct slice method;
    struct target target;
    struct slice host;   /* a Host that the script gave; else empty */
    struct buffer lines; /* the fields, while the request is made */
    /* All of it, until the kernel has taken it, or on a kept link until an answer begins; counted
     * by held_take. */
    char *request;
    size_t request_bytes;
    unsigned fields;
    bool is_safe, has_agent, has_bytes, is_too_large, is_one_too_many, is_over;
};

void fetch_init(struct fetch *, struct loop *);
/* These give NULL, or what is wrong with the part, in static words. Borrow for the call. */
const char *fetch_set_method(struct fetch *, struct slice method) MUST_USE; /* first */
const char *fetch_set_url(struct fetch *, struct slice url) MUST_USE;
/* Then, for https:// (fetch_is_secure). A wish without a name gets the URL's host. */
void fetch_secure(struct fetch *, const struct secured_wish *);
bool fetch_is_secure(const struct fetch *);
/* Connects there, a proxy's address or a unix socket's path, and not to the URL's host. */
const char *fetch_set_via(struct fetch *, struct slice address) MUST_USE;
const char *fetch_add_field(struct fetch *, struct slice name, struct slice value) MUST_USE;
/* Last. No body: body.start is NULL. */
const char *fetch_set_body(struct fetch *, struct slice body) MUST_USE;
void fetch_start(struct fetch *, size_t body_max, uint64_t timeout_ms);
/* With on_part, after the head: another on_part or on_over follows, after so long at most. */
void fetch_read_on(struct fetch *, uint64_t silence_ms);
void fetch_dispose(struct fetch *); /* in any state */

#endif
