/*
 * proxy_header - the header of the PROXY protocol, version 1 or 2: whose connection it is. Pure.
 *
 * A proxy that passes bytes on without reading them sends it before the first of them. Sections
 * refer to https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
 */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H

#include "base/slice.h"

#include <netinet/in.h>
#include <stdbool.h>

/* 536 bytes are what every network takes in one piece. Version 1 has at most 107 (2.1). */
enum { PROXY_HEADER_BYTES_MAX = 536 };

enum proxy_header_step {
    PROXY_HEADER_MORE,  /* right so far, and not complete */
    PROXY_HEADER_WHOLE, /* length, names_client and client say what it is */
    PROXY_HEADER_WRONG, /* why says, in static words */
};

struct proxy_header {
    size_t length;     /* what is behind that is not its */
    bool names_client; /* else the connection is the proxy's own, or of nobody with an address */
    struct sockaddr_in6 client; /* IPv4 as v4-mapped */
    const char *why;
};

/* The bytes are all that came since the connection began, or more of them. What is wrong is so with
 * the first byte that no header can have there. */
enum proxy_header_step proxy_header_read(struct slice bytes, struct proxy_header *out);

#endif
