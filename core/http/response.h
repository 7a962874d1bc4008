/*
 * response - the response to one request, from the bytes of a connection. Pure.
 *
 * One reading for all that ask by HTTP: interim heads come before the final one and have a bound
 * together; the request's method, the status and the framing fields say where the body ends (RFC
 * 9112, 6.3), and what two readers could understand differently is a fault.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "http/parse.h"

enum response_step {
    RESPONSE_MORE = PARSE_MORE, /* it continues: feed what is left of the bytes, and what comes */
    RESPONSE_HEAD = PARSE_HEAD, /* parse.head, interim or final: feed again, even without bytes */
    RESPONSE_END = PARSE_END, /* the final response is complete: bytes that are left are surplus */
    RESPONSE_FAILED = PARSE_FAILED, /* fault says why: feed nothing more */
};

enum response_fault {
    RESPONSE_FINE,
    RESPONSE_MALFORMED,        /* parse.error and parse.why */
    RESPONSE_LARGE_INTERIM,    /* interim heads larger, together, than one head may be */
    RESPONSE_UNASKED_SWITCH,   /* a 101 */
    RESPONSE_AMBIGUOUS_LENGTH, /* of the body: framing_fault_text */
};

struct response {
    struct parse parse;
    enum framing framing; /* of the head, like the next */
    uint64_t length;
    size_t interim_bytes;
    enum response_fault fault;
    bool may_switch;
    bool has_surplus; /* at RESPONSE_END: bytes came that belong to no response */
};

/* Begins. Borrows limits and arena until response_dispose. answers_head: the request's method is
 * HEAD. may_switch: the request has asked for an upgrade, so that a 101 is no fault; what follows
 * it is no HTTP and is not fed. */
void response_expect(struct response *, const struct parse_limits *, struct arena *,
                     bool answers_head, bool may_switch,
                     void (*on_body)(struct parse *, struct slice));
void response_dispose(struct response *); /* also if it is all zero */

/* For response_feed: the head that parse has read, interim or final, is checked. */
enum response_step response_take_head(struct response *);
/* The head behind an interim one comes. For response_feed, and for a reader that continues after an
 * interim head of ambiguous length. */
void response_expect_next(struct response *);

/* Takes what it has used off the bytes. Inline, as it is on the way of every request. */
__attribute__((always_inline)) inline enum response_step response_feed(struct response *r,
                                                                       struct slice *bytes)
{
    enum parse_step step;
    size_t used;

    if (r->parse.has_head && !r->parse.has_body) { /* parse says so only with the next byte */
        r->has_surplus = bytes->length > 0;
        if (r->parse.head.status >= 200)
            return RESPONSE_END;
        response_expect_next(r);
    }
    step = parse_feed(&r->parse, *bytes, &used);
    bytes->start += used;
    bytes->length -= used;
    if (step == PARSE_HEAD)
        return response_take_head(r);
    if (step == PARSE_FAILED)
        r->fault = RESPONSE_MALFORMED;
    r->has_surplus = bytes->length > 0;
    CHECK(step != PARSE_MORE || used > 0 || bytes->length == 0);
    return (enum response_step)step;
}

/* The connection ended: is that the end of the response? */
bool response_ends_here(struct response *) MUST_USE;

/* At its end: as far as the response says, another request may follow. */
bool response_keeps_connection(const struct response *);

const char *response_fault_text(const struct response *);

#endif
