/*
 * h2_rules - which frame may come in which state of a stream (RFC 9113, 5.1). A table; pure.
 */
#ifndef HTTP_H2_RULES_H
#define HTTP_H2_RULES_H

#include "http/h2_frames.h"

enum h2_role { H2_SERVER, H2_CLIENT };

/* There is no "reserved", as nobody pushes here; "closed" is several, by what closed it. */
enum h2_stream_state {
    H2_IDLE,
    H2_OPEN,
    H2_HALF_LOCAL,    /* we have sent END_STREAM */
    H2_HALF_REMOTE,   /* the peer has */
    H2_ENDED,         /* both have */
    H2_RESET_BY_PEER, /* its RST_STREAM came */
    H2_RESET_BY_US,   /* frames that the peer sent before it knew are on their way */
    H2_FORGOTTEN,     /* one of those above, long ago, or it was never opened (5.1.1) */
    H2_STREAM_STATES,
};

enum h2_verdict {
    H2_GOES_ON,
    H2_IS_IGNORED,        /* but counted to the windows, and decoded */
    H2_BREAKS_STREAM,     /* RST_STREAM with STREAM_CLOSED */
    H2_BREAKS_CLOSED,     /* GOAWAY with STREAM_CLOSED */
    H2_BREAKS_CONNECTION, /* GOAWAY with PROTOCOL_ERROR */
};

/* type: of a frame on a stream, HEADERS only where a head may begin. An idle stream of a server is
 * one that the peer may open. */
enum h2_verdict h2_rule(enum h2_stream_state, enum h2_type, enum h2_role);

#endif
