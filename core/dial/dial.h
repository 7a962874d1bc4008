/*
 * dial - opens a link to a name or an address, within a time, or finds a kept one.
 *
 * A name is looked up off the loop. Its addresses are tried one after the other, each with its
 * share of the time that is left: an address that never answers leaves time for the next.
 * One lookup of a name is under way at most, for all that wait: a resolver that hangs keeps one
 * thread, however many ask.
 */
#ifndef DIAL_DIAL_H
#define DIAL_DIAL_H

#include "dial/link.h"
#include "net/address.h"
#include "net/opening.h"
#include "net/resolve.h"

enum { DIAL_WHY_BYTES = 512 };

/* Why something has failed, for a script: "timeout: the answer took more than 5 s". */
void dial_say_why(char why[DIAL_WHY_BYTES], const char *kind, const char *format, ...) PRINTF(3, 4);

struct lookup;

/* Embedded in what asks; ends in exactly one event, never before dial_start has returned,
 * and after dial_cancel in silence. */
struct dial {
    void (*on_ready)(struct dial *, struct link *); /* gives the link, whose events are to be set */
    void (*on_failed)(struct dial *);               /* says why */
    /* For the owner to set before it starts. */
    uint64_t rested_ms_max;          /* a kept link may have rested so long; 0: none is wanted */
    const struct secured_wish *wish; /* NULL: without TLS; borrowed until it is over */
    bool waits;                      /* if all places are taken, for one; else it fails */
    bool was_kept;                   /* the link; from on_ready on */
    char why[DIAL_WHY_BYTES];        /* what has failed, or what the last address had against it */

    /* the dial's own */
    struct loop *loop;
    struct address to;
    uint64_t timeout_ms, until_ms; /* until: by the loop's clock */
    struct lookup *lookup;
    struct list_node waiting; /* for the lookup */
    struct sockaddr_in6 found[RESOLVE_ADDRESSES_MAX];
    unsigned count, next; /* of found */
    struct opening opening;
    struct deadline limit;
    struct deferred soon;
    struct links_waiter place;
    struct secured *secured; /* by the wish */
    bool begins;             /* in soon: it looks for a kept link, or looks up the name, .. */
};

void dial_init(struct dial *, struct loop *);
void dial_start(struct dial *, const struct address *, uint64_t timeout_ms);
void dial_cancel(struct dial *); /* in any state */

/* Is a lookup under way, which may hang? At exit, libuv would wait for it. */
bool dial_is_resolving(void);

#endif
