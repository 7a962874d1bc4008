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

enum framing framing_of_request(const struct head *, uint64_t *length);
/* Is such a request refused only because it has other codings below the final chunked? Its sender
 * may mean well, and its end could be found (RFC 9112, 6.1). */
bool framing_is_unknown_coding(const struct head *request);
/* answers_head: the request's method was HEAD. */
enum framing framing_of_response(const struct head *, bool answers_head, uint64_t *length);

/* What is wrong with a head whose framing is FRAMING_REFUSED, or that llhttp reads differently. */
const char *framing_fault_text(const struct head *);

/* How a body of that framing goes on to a client: a 1.0 client does not know chunks, so
 * there the end of the connection is the end of the body (RFC 9112, 6.1 and 6.3). */
enum framing framing_for_client(enum framing, enum version);

#endif
