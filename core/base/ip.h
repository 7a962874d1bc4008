/*
 * ip - addresses of IPv4 and IPv6 as bytes.
 */
#ifndef BASE_IP_H
#define BASE_IP_H

#include "base/slice.h"

#include <arpa/inet.h>
#include <stdint.h>

/* inet_pton of a text that has no NUL behind it: into a struct in_addr or in6_addr. */
static inline bool ip_read(struct slice text, int family, void *out)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.length == 0 || text.length >= sizeof copy ||
        memchr(text.start, '\0', text.length) != NULL)
        return false;
    *slice_put(copy, text) = '\0';
    return inet_pton(family, copy, out) == 1;
}

static const uint8_t ip_mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */

/* The address of IPv6 that stands for one of IPv4, which has four bytes. */
static inline void ip_map_v4(uint8_t out[16], const void *v4)
{
    memcpy(out, ip_mapped, sizeof ip_mapped);
    memcpy(out + sizeof ip_mapped, v4, 4);
}

#endif
