/*
 * dns_rules - what answers of DNS mean for a list of backends, and when to ask again. Pure.
 *
 * A target is a name with its addresses, an entry the port, weight and priority under which they
 * are backends. "dns:" has one of each, "srv:" what the SRV records say.
 *
 * - A and AAAA count together. If one of the two fails, what was known of that family stays.
 * - A target of SRV records that does not resolve is left out only if it was not there before.
 * - The list is in the order of its addresses, so that all machines have the same one.
 */
#ifndef DISCOVER_DNS_RULES_H
#define DISCOVER_DNS_RULES_H

#include "dial/dns_answer.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DNS_FAMILIES = 2, /* A, AAAA */
    DNS_NEGATIVE_MAX_MS = 30000,
    DNS_BACKENDS_MAX = 4096,
    DNS_ADDRESSES_MAX = 4 * DNS_BACKENDS_MAX, /* heard in a round, before each is taken once */
};

struct dns_family {
    uint8_t (*list)[16]; /* four bytes count for A */
    unsigned count;
};

struct dns_target {
    char *name; /* with a dot at its end, of SRV */
    struct dns_family known[DNS_FAMILIES];
    struct dns_family heard[DNS_FAMILIES];   /* in the round that is on, .. */
    enum dns_outcome outcomes[DNS_FAMILIES]; /* .. */
    bool is_heard[DNS_FAMILIES];             /* .. if it was */
};

struct dns_entry {
    uint32_t target; /* its index */
    uint16_t port, priority, weight;
};

struct dns_targets { /* all zero is none */
    struct dns_target *list;
    unsigned count;
    struct dns_entry *entries;
    unsigned entries_count;
    uint32_t ttl_s; /* the smallest of the round */
    unsigned heard; /* addresses in it; more than DNS_ADDRESSES_MAX are not kept */
};

void dns_targets_dispose(struct dns_targets *);
void dns_targets_of_name(struct dns_targets *, const char *name, uint16_t port);
/* The targets of a SRV answer that was found, with the addresses that came with it, which are
 * heard. Takes what was known of those that are in before. None: the service is not offered
 * (RFC 2782). */
void dns_targets_of_srv(struct dns_targets *, const struct dns_answer *,
                        struct dns_targets *before);

/* An answer for A (0) or AAAA (1). Records of other types are passed over. */
void dns_target_hear(struct dns_targets *, unsigned target, unsigned family,
                     const struct dns_answer *);
/* The round of a target is over. What it has come to: DNS_FOUND, the kind of nothing, or of
 * failure; known is what holds now. stays: what was known stays if nothing is found, too. */
enum dns_outcome dns_target_settle(struct dns_target *, bool stays);

struct dns_backend {
    uint8_t family, address[16]; /* 0: A */
    uint16_t port, priority, weight;
};

/* Sorted, each address and port once; the caller frees it. NULL: there are too many. */
struct dns_backend *dns_targets_backends(const struct dns_targets *, unsigned *count);

struct dns_pace {
    uint64_t min_ms, max_ms; /* discovery.ttl */
};

/* In how many ms to ask again; unit is a random number below 1, for the jitter. Nothing: nothing
 * was found, and the TTL is that of the SOA. */
uint64_t dns_pace_next(const struct dns_pace *, uint32_t ttl_s, bool nothing, double unit);
/* After so many failures in a row: soon, then less often. */
uint64_t dns_pace_retry(const struct dns_pace *, unsigned failures, double unit);

#endif
