/*
 * pool - connections to one backend, lent to one request at a time.
 *
 * pool_take gives an idle one, the last used first. If there is none, a lease opens
 * one; it ends in exactly one event, never before pool_lease has returned, and
 * after pool_cancel it ends in silence. Idle connections keep reading, so that a
 * close by the backend is seen at once.
 *
 * What waits on an idle connection was asked for by nobody, and must not become the
 * answer to a request. A poll of the loop that began after it came back reports it; if
 * its event comes behind that of the request, h1.c knows by the poll that the bytes
 * are the older ones. So only those that came back since the last poll are looked at
 * first (a system call), and those for a request that must not go out twice, as it would
 * be lost on a connection that was closed.
 *
 * A backend may not have read a body that it was sent, and take it for the next request, whose
 * answer another client might get. So a connection that has carried a body (its bonds) is kept for
 * the client that sent it, one for each, and closed with that client's own.
 *
 * A pool belongs to the slot of the board, not to the script that names the backend: scripts that
 * have it in use, one after the other or at once, share its connections, so a reload loses none.
 * When nobody uses the pool any more its idle connections are closed, and lent connections as they
 * come back; then the pool is gone.
 *
 * Connections in HTTP/2 are shared: upstream/h2.h. What is said of idle ones, and of bodies, does
 * not concern them, as a stream says where its messages end.
 */
#ifndef UPSTREAM_POOL_H
#define UPSTREAM_POOL_H

#include "base/list.h"
#include "net/opening.h"
#include "net/tls_remote.h"
#include "shared/segment.h"
#include "upstream/h2.h"
#include "upstream/outgoing.h"

struct
    pools { /* of a worker; all zero at first, but for the first three, make_room and its owner */
    struct loop *loop;
    struct segment *segment;
    unsigned worker;
    /* There are no more descriptors: closes one. False: there is none to close. */
    bool (*make_room)(struct pools *);
    void *owner;
    unsigned open; /* pools that are not gone, with those that only wait for a connection to end */
    struct pool *list[SEGMENT_BACKENDS_MAX]; /* by slot; NULL: nobody uses it */
};

struct pool {
    struct pools *all;
    struct loop *loop;
    uint64_t idle_ms;
    struct list_node idle;      /* those that were idle during the last poll, last used first */
    struct list_node back;      /* those that came back since, the same */
    struct list_node bound;     /* those that serve one client only, the same */
    uint64_t settled_poll;      /* up to which that is true */
    struct segment_pool *shown; /* where others see how many it has: a closing pool of that slot may
                                 * count there, too */
    unsigned connections;       /* in any state, until their close is over */
    unsigned uses;              /* by scripts */
    unsigned waiting;           /* requests that have found the backend full, for proxy/queue.c */
    uint32_t address_version;   /* of the copy, for upstream/backend.c; 0: none */
    struct sockaddr_in6 address;
    struct sockaddr_in6 detour; /* served when that one failed; AF_UNSPEC: none */
    struct opening_account openings;
    struct tls_target target; /* of the newest script's rules; not set: without TLS */
    struct sharing *sharing;  /* of a backend in HTTP/2; NULL: it speaks HTTP/1 */
    bool is_closing;
};

struct lease { /* embedded in what asks; stays in place until its event */
    void (*on_ready)(struct lease *, struct outgoing *);
    /* A negative libuv code; UV_ETIMEDOUT: by our own clock; UV_EPROTO: TLS has failed. */
    void (*on_failed)(struct lease *, int code);
    const char *why;   /* TLS has failed; static */
    struct pool *pool; /* NULL: it is not under way */
    struct opening opening;
    struct sharing_wait wait; /* in place of the opening */
    int refused;              /* could not even begin: */
    struct deferred fail;     /* it fails soon */
    struct deadline deadline;
};

/* One use more. The time is the newest script's: it holds for all of them from now on. */
struct pool *pools_use(struct pools *, unsigned slot, uint64_t idle_ms);
void pools_release(struct pools *, unsigned slot);
/* From now on its connections are opened over TLS by these rules, for a backend of that name; rules
 * NULL: without TLS. If that changes anything its idle connections are closed. */
void pool_secure(struct pool *, const struct tls_remote_rules *, struct slice name);
/* What their idle connections hold for TLS, at least. */
size_t pools_idle_bytes(const struct pools *);
/* Each pool closes the idle connection that was used longest ago. False: none is idle. */
bool pools_close_oldest(struct pools *);

/* After pools_use and before pool_secure, for a backend that speaks HTTP/2: its connections have so
 * many streams at most, by the newest script's word. */
void pool_share(struct pool *, uint32_t streams_max);

void pool_close_idle(struct pool *); /* and shared ones take no new streams */
/* NULL: none is idle. One of the client's own comes first. now_us: of the steady clock. */
struct outgoing *pool_take(struct pool *, const struct outgoing_request *, uint64_t now_us);
void lease_init(struct lease *, void (*on_ready)(struct lease *, struct outgoing *),
                void (*on_failed)(struct lease *, int code));
/* Borrows the address until the lease is over. connect_ms: how long that may take, with the
 * handshake of TLS. */
void pool_lease(struct pool *, struct lease *, const struct sockaddr *, uint64_t connect_ms);
void pool_cancel(struct lease *);    /* while it is under way */
void pool_return(struct outgoing *); /* kept if it can be used again, else closed */

#endif
