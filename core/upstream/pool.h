/*
 * pool - connections to one backend, lent to one request at a time.
 *
 * pool_take gives an idle one, the last used first. If there is none, a lease opens
 * one; it ends in exactly one event, never before pool_lease has returned, and
 * after pool_cancel it ends in silence. Idle connections keep reading, so that a
 * close by the backend is seen at once.
 */
#ifndef UPSTREAM_POOL_H
#define UPSTREAM_POOL_H

#include "base/list.h"
#include "net/deadline.h"
#include "upstream/outgoing.h"

#include <netinet/in.h>

struct pool {
    struct loop *loop;
    uint64_t idle_ms;
    struct list_node idle;    /* last used first */
    unsigned connections;     /* in any state, until their close is over */
    unsigned uses;            /* by scripts, for upstream/pools.c */
    unsigned *open;           /* one less when this one is gone */
    uint32_t address_version; /* of the copy, for upstream/backend.c; 0: none */
    struct sockaddr_in6 address;
    bool is_closing;
};

struct lease { /* embedded in whoever asks; stays in place until its event */
    void (*on_ready)(struct lease *, struct outgoing *);
    void (*on_failed)(struct lease *,
                      int code); /* negative libuv code; UV_ETIMEDOUT: by our own clock */
    uint64_t connect_ms;         /* how long that may take; set before pool_lease */
    struct outgoing *opening;
    int refused; /* could not even begin */
    struct deferred tell;
    struct deadline deadline;
};

struct pool *pool_new(struct loop *, unsigned *open); /* its time is to be set */
void pool_close_idle(struct pool *);
/* Closes the idle ones; returned ones are closed from now on. It frees itself when the last
 * one has gone, perhaps at once. */
void pool_close(struct pool *);
void pool_forget(struct pool *); /* for outgoing.c: a connection is no more */

struct outgoing *pool_take(struct pool *); /* NULL: none is idle */
/* Borrows the address for the call. */
void pool_lease(struct pool *, struct lease *, const struct sockaddr *);
void pool_cancel(struct lease *);    /* in any state */
void pool_return(struct outgoing *); /* kept for others if it can be used again, else closed */

#endif
