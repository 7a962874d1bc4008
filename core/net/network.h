/*
 * network - a set of addresses: "10.0.0.0/8", "2001:db8::/32", "127.0.0.1".
 */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

#include "base/buffer.h"
#include "base/check.h"
#include "base/slice.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct network {
    uint8_t address[16]; /* IPv4 as v4-mapped IPv6 */
    uint8_t prefix;      /* bits of it that count, 0 to 128 */
};

/* NULL, or what is wrong with the text, in static words. White space around it is ignored. */
const char *network_parse(struct network *out, struct slice text) MUST_USE;
void network_format(struct buffer *, const struct network *); /* "10.0.0.0/8" */
/* A v4-mapped address is in its IPv4 network and in no larger one: "::/0" has IPv6 only. An address
 * of another family is in none. */
bool network_has(const struct network *, const struct sockaddr_in6 *);
bool network_any_has(const struct network *, unsigned count, const struct sockaddr_in6 *);
/* Is that text an address of one of them? An IPv6 network of 64 bits, which ctx.client is, counts,
 * too, if all of it is in one. core/lua/codes.lua calls it and network_parse by name. */
bool network_list_has(const struct network *, uint32_t count, const char *text, size_t length);
/* The network of one client: of an IPv4 address, v4-mapped too, the whole; of an IPv6 address the
 * first 64 bits, as one customer has them all; of a link-local address, which shares those with
 * others, the whole. */
void network_of_client(struct network *out, const struct sockaddr_in6 *);
/* An address as it stands in X-Forwarded-For: "1.2.3.4", "::1". A port behind it ("1.2.3.4:80",
 * "[::1]:80") is left out. IPv4 becomes v4-mapped. False for anything else. */
bool network_read_address(struct slice text, struct sockaddr_in6 *out);

#endif
