/*
 * request - may a proxy act on this head? Pure.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http/framing.h"
#include "http/head.h"
#include "http/target.h"

enum request_fault {
    REQUEST_OK,
    REQUEST_BAD_TARGET,       /* 400 */
    REQUEST_NO_HOST,          /* 400, but in 1.0 (RFC 9112, 3.2; RFC 9113, 8.3.1) */
    REQUEST_MANY_HOSTS,       /* 400 */
    REQUEST_BAD_HOST,         /* 400: not host[:port] */
    REQUEST_BAD_FRAMING,      /* 400 */
    REQUEST_UNKNOWN_CODING,   /* 501: another coding below the final chunked (RFC 9112, 6.1) */
    REQUEST_IS_CONNECT,       /* 501: this is no forward proxy */
    REQUEST_BAD_MAX_FORWARDS, /* 400: of TRACE or OPTIONS, not one number (RFC 9110, 7.6.2) */
    REQUEST_TRACE_WITH_BODY,  /* 400 (RFC 9110, 9.3.8) */
    REQUEST_MANY_OPTIONS,     /* 400: each option of Connection is looked for among all fields */
};

struct request {
    struct target target;
    struct slice host; /* what Host shall say; empty if a 1.0 request has none */
    enum framing framing;
    uint64_t length; /* for FRAMING_COUNTED */
    /* A 1.1 request that asks for another protocol than h2c, in Upgrade and in Connection
     * (RFC 9110, 7.8): it may become a tunnel, behind its body. */
    bool wants_upgrade;
    bool has_max_forwards;  /* TRACE or OPTIONS with Max-Forwards (RFC 9110, 7.6.2) */
    bool may_end_here;      /* TRACE, or what may be forwarded no more */
    uint64_t max_forwards;  /* as it came; 0: we are the last to see it, and answer */
    struct slice host_name; /* host without its port */
};

static inline struct body_size request_body_size(const struct request *r)
{
    return body_size_of(r->framing, r->length);
}

/* Borrows from the head; what it has to write anew of the target is in the arena. */
enum request_fault request_check(const struct head *, struct arena *, struct request *out);
unsigned request_fault_status(enum request_fault);
const char *request_fault_text(enum request_fault, const struct head *);

#endif
