/*
 * trust - whom a request comes from, by what trusted proxies say about it. Pure.
 */
#ifndef PROXY_TRUST_H
#define PROXY_TRUST_H

#include "config/config.h"
#include "http/head.h"

/* Is it in one of the setting trusted_proxies? */
bool trust_has(const struct config *, const struct sockaddr_in6 *);

/* The client of a trusted peer. X-Forwarded-For is read from its right end, where the peer wrote:
 * each address that is trusted vouches for what is left of it, the first that is not is the
 * client. What is no address ends the way. False if there was not even one address: then the peer
 * itself is the client. An IPv4 address comes as v4-mapped; the port is 0. */
bool trust_find_client(const struct config *, const struct head *, struct sockaddr_in6 *out);

/* Does the last X-Forwarded-Proto say https? */
bool trust_is_https(const struct head *);

#endif
