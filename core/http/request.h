/*
 * request - is this head one that a proxy may act on? Pure.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http/framing.h"
#include "http/head.h"
#include "http/target.h"

enum request_fault {
    REQUEST_OK,
    REQUEST_BAD_TARGET,  /* 400 */
    REQUEST_BAD_HOST,    /* 400: none in 1.1, several, or not host[:port] (RFC 9112, 3.2) */
    REQUEST_BAD_FRAMING, /* 400 */
    REQUEST_IS_CONNECT,  /* 501: this is no forward proxy */
};

struct request {
    struct target target;
    struct slice host; /* what Host shall say; empty if a 1.0 request has none */
    enum framing framing;
    uint64_t length; /* for FRAMING_COUNTED */
};

enum request_fault request_check(const struct head *, struct request *out);
const char *request_fault_text(enum request_fault);

#endif
