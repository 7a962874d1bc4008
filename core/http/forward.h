/*
 * forward - the head that goes on: what a proxy drops, rewrites and adds.
 *
 * Fields of the connection and those that Connection names end here (RFC 9110,
 * 7.6.1); framing fields are written anew, never copied; everything else keeps
 * its bytes, order, letter case and repetition.
 */
#ifndef HTTP_FORWARD_H
#define HTTP_FORWARD_H

#include "base/arena.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/target.h"

struct forward_request {
    const struct head *head;
    const struct target *target;
    enum framing framing;
    uint64_t length;
    struct slice host; /* what Host says; the backend's own for a request without one */
    struct slice client_ip;
    struct slice proto; /* "http" */
    uint16_t port;      /* at which the client came in; 0 if unknown */
};

struct forward_response {
    const struct head *head;
    enum framing framing; /* of the message that goes to the client */
    uint64_t length;
    enum version client_version;
    bool closes; /* the connection ends with this response */
};

/* Head bytes, with the empty line at the end, in the arena. */
struct slice forward_request_head(struct arena *, const struct forward_request *);
struct slice forward_response_head(struct arena *, const struct forward_response *);

#endif
