/*
 * dns_conf - resolv.conf: which servers to ask, and which names a short name may stand for.
 *
 * Read as resolv.conf(5) says: nameserver, search, domain, and of options ndots, timeout and
 * attempts. What is not understood is passed over, as in the C library. Pure.
 */
#ifndef DIAL_DNS_CONF_H
#define DIAL_DNS_CONF_H

#include "base/slice.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    DNS_SERVERS_MAX = 8,
    DNS_SEARCH_MAX = 8,
    DNS_ASKED_BYTES = 256, /* of a name that is asked for, with its NUL */
    DNS_PORT = 53,
};

struct dns_conf {
    struct sockaddr_in6 servers[DNS_SERVERS_MAX]; /* or a sockaddr_in */
    unsigned servers_count;                       /* at least one: this machine */
    char search[DNS_SEARCH_MAX][DNS_ASKED_BYTES];
    unsigned search_count;
    unsigned ndots, timeout_s, attempts;
};

void dns_conf_read(struct dns_conf *, struct slice text);

/* The names that a name may stand for, one after the other, without a dot at the end: by the search
 * list, and as it is, which comes first if it has ndots dots. False: there is no such one. */
bool dns_conf_candidate(const struct dns_conf *, const char *name, unsigned index,
                        char candidate[DNS_ASKED_BYTES]);

#endif
