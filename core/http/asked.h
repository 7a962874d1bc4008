/*
 * asked - where a client asked for what it wants. Pure.
 *
 * That is not where it came in: a container's mapping of ports, a packet filter or a proxy may
 * stand between the two. What a backend makes URLs of has to lead back to where the client asked.
 */
#ifndef HTTP_ASKED_H
#define HTTP_ASKED_H

#include "http/forward.h"
#include "http/hop.h"

/* The port of the host, else of the scheme (RFC 9110, 4.2.1 and 4.2.2), by those X-Forwarded-* that
 * will go on. Empty: the scheme is of another kind. */
struct slice asked_port(const struct forward_request *, const struct hop *);

#endif
