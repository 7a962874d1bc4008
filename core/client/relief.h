/*
 * relief - which requests end when memory is full (base/mem.h).
 *
 * No list says which client holds how much: a walk over all clients finds the largest, which costs
 * a request nothing. A request that is weighed frees what it can do without.
 */
#ifndef CLIENT_RELIEF_H
#define CLIENT_RELIEF_H

#include "client/clients.h"

/* An answer takes memory, too, until it is out: so many have room in mem's reserve. */
enum { HOLDERS_MAX = 64 };

struct holder {
    struct client *client;
    struct incoming *incoming; /* which of its requests, or NULL */
    size_t bytes;
};

struct holders {
    struct holder list[HOLDERS_MAX]; /* those that hold most, the first more than the second */
    unsigned count;
    size_t idle_bytes; /* of connections that hold nothing but themselves */
};

void holders_find(struct holders *, struct clients *);
/* Ends the first ones, until so many bytes are free; some are only when the turn is over. Gives how
 * many have ended. */
unsigned holders_end(const struct holders *, size_t bytes);

#endif
