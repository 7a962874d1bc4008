/*
 * network - a set of addresses: "10.0.0.0/8", "2001:db8::/32", "127.0.0.1", or "unix".
 */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

#include "base/check.h"
#include "base/slice.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct network {
    uint8_t address[16]; /* IPv4 as v4-mapped IPv6 */
    uint8_t prefix;      /* bits of it that count, 0 to 128 */
};

/* NULL, or what is wrong with the text, in static words. */
const char *network_parse(struct network *out, struct slice text) MUST_USE;
/* A v4-mapped address is of its IPv4 network. Others than IPv4 and IPv6 are in none. */
bool network_has(const struct network *, const struct sockaddr_in6 *);
/* The same for an address as text, as in X-Forwarded-For: "1.2.3.4", "::1"; with a port or in
 * brackets ("1.2.3.4:80", "[::1]:80") it counts as well. False for anything else. */
bool network_has_text(const struct network *, struct slice);

#endif
