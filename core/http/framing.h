/*
 * framing - where a message ends. Pure: from a head to a decision.
 *
 * What two readers could understand differently is refused, never repaired: the
 * other reader may be the backend (RFC 9112, 6.1, 6.3 and 11.2).
 */
#ifndef HTTP_FRAMING_H
#define HTTP_FRAMING_H

#include "http/head.h"

enum framing {
    FRAMING_NONE,    /* no body */
    FRAMING_COUNTED, /* *length bytes */
    FRAMING_CHUNKED,
    FRAMING_UNTIL_CLOSE, /* responses only */
    FRAMING_REFUSED,
};

/* What is known of a body before it comes, however a connection spells that. */
struct body_size {
    enum { BODY_NONE, BODY_KNOWN, BODY_UNKNOWN } kind;
    uint64_t length; /* bytes, if it is BODY_KNOWN */
};

/* Of a framing that is not FRAMING_REFUSED. */
static inline struct body_size body_size_of(enum framing framing, uint64_t length)
{
    return (struct body_size){framing == FRAMING_NONE      ? BODY_NONE
                              : framing == FRAMING_COUNTED ? BODY_KNOWN
                                                           : BODY_UNKNOWN,
                              length};
}

static inline bool body_size_is_empty(struct body_size size)
{
    return size.kind == BODY_NONE || (size.kind == BODY_KNOWN && size.length == 0);
}

enum framing framing_of_request(const struct head *, uint64_t *length);
/* Is such a request refused only because it has other codings below the final chunked? Its sender
 * may mean well, and its end could be found (RFC 9112, 6.1). */
bool framing_is_unknown_coding(const struct head *request);
/* answers_head: the request's method was HEAD. */
enum framing framing_of_response(const struct head *, bool answers_head, uint64_t *length);

/* What is wrong with a head whose framing is FRAMING_REFUSED, or that llhttp reads differently. */
const char *framing_fault_text(const struct head *);

/* How a body is spelt to a peer: one of 1.0 does not know chunks, so that the end of the connection
 * is the end of the body there (RFC 9112, 6.1 and 6.3). */
static inline enum framing framing_for(struct body_size size, enum version peer)
{
    if (size.kind == BODY_UNKNOWN)
        return peer == VERSION_1_1 ? FRAMING_CHUNKED : FRAMING_UNTIL_CLOSE;
    return size.kind == BODY_KNOWN ? FRAMING_COUNTED : FRAMING_NONE;
}

#endif
