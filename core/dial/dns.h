/*
 * dns - names to addresses, services and texts, by asking DNS servers in the loop.
 *
 * Whom to ask stands in resolv.conf, which is read again when it has changed, or in the settings.
 * A server that is silent or fails is followed by the next one.
 */
#ifndef DIAL_DNS_H
#define DIAL_DNS_H

#include "dial/dns_channel.h"
#include "dial/dns_conf.h"

#define DNS_RESOLV_CONF "/etc/resolv.conf"

enum { DNS_LOOKUP_TYPES = 2, DNS_PATH_BYTES = 256 };

struct dns;

/* path: of resolv.conf. servers, if there are any, are asked instead of those that it names, and
 * the next one also when one says that there is nothing. All are copied. Who asks in the same way
 * shares it. */
struct dns *dns_take(struct loop *, const char *path, const struct sockaddr_in6 *servers,
                     unsigned count);
void dns_return(struct dns *); /* NULL is fine; one's own lookups have been cancelled */

struct dns_lookup_part { /* of one type */
    struct dns_lookup *lookup;
    struct dns_question question;
    enum dns_type type;
    unsigned first, tries; /* the server that was asked first, and how many were */
    bool is_over;
    enum dns_outcome failure; /* of a server before; DNS_FOUND: none has failed */
};

/* Of one name, for one type or for two at once; embedded in what asks, all zero at first. */
struct dns_lookup {
    void (*on_over)(struct dns_lookup *);        /* answers are there, in the order of the types */
    struct dns_answer answers[DNS_LOOKUP_TYPES]; /* until the next start, or the cancel */
    char name[DNS_ASKED_BYTES];                  /* that was asked for last, in full */

    /* the lookup's own */
    struct dns *dns;
    struct dns_lookup_part parts[DNS_LOOKUP_TYPES];
    unsigned count;           /* of types */
    const char *wanted;       /* borrowed until it is over */
    unsigned candidate;       /* which of the names that it may stand for is asked for */
    unsigned known;           /* 1 more than the one that was found the last time; 0: none */
    uint64_t generation;      /* of resolv.conf, by which it was found */
    enum dns_outcome failure; /* of a candidate before */
    uint32_t negative_ttl_s;  /* the smallest of the candidates so far */
};

/* May that be asked for? */
bool dns_is_name(struct slice);
/* Ends in exactly one event, never before it has returned. The name is one (dns_is_name), and the
 * same whenever this lookup starts: once found it is asked for in the same way the next time, so
 * that a server that fails does not make it stand for another name. */
void dns_lookup_start(struct dns_lookup *, struct dns *, const char *name,
                      const enum dns_type *types, unsigned count);
void dns_lookup_cancel(struct dns_lookup *); /* in any state; disposes of the answers */

#endif
