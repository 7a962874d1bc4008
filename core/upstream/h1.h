/*
 * h1 - one connection to a backend, in HTTP/1, and the half of an exchange that it serves.
 *
 * Opening, then lent to an exchange or idle in its pool, then closed. It frees itself when its
 * close is over, behind on_closed.
 */
#ifndef UPSTREAM_H1_H
#define UPSTREAM_H1_H

#include "base/bond.h"
#include "base/list.h"
#include "http/response.h"
#include "net/stream.h"
#include "upstream/outgoing.h"

struct h1_connection;
struct pool;

struct h1_events {                                         /* its pool's */
    void (*on_reached)(struct h1_connection *);            /* it has connected, TLS begins */
    void (*on_opened)(struct h1_connection *, int status); /* not if it was closed before */
    void (*on_closed)(struct h1_connection *);             /* it is no more */
};

struct h1_connection {
    struct stream stream;
    struct list_node node; /* in one of the pool's lists of idle ones */
    const struct h1_events *events;
    struct pool *pool;
    void *lease;               /* for which it opens; NULL: none */
    struct tls_target *target; /* NULL: without TLS */
    /* The bonds of the client that has sent a body over it: it serves only this client. NULL: no
     * client has. While it is idle, `bond` is one of them. */
    struct bond **bonds;
    struct bond bond;
    struct response response;
    struct outgoing half;
    /* The poll after which it was lent unchecked: what comes in that poll is older than the
     * request. 0: it was checked. */
    uint64_t lent_unchecked_at_poll;
    uint64_t began_at_poll; /* when the borrower began */
    bool sends_in_chunks;
    bool is_reused; /* it has served a request before */
    bool is_unusable;
    bool is_idle; /* the pool's */
};

/* Begins to connect, and to shake hands if target is not NULL; on_opened says what came of it.
 * UV_EPROTO: TLS has failed, and h1_why says why. 0, or a negative libuv code: it is closed.
 * Borrows the target. */
int h1_open(struct h1_connection **, struct pool *, struct loop *, const struct sockaddr *,
            struct tls_target *, const struct h1_events *, void *lease) MUST_USE;
const char *h1_why(const struct h1_connection *); /* static; NULL: its TLS has not failed */
void h1_close(struct h1_connection *);            /* no more events but on_closed */
bool h1_is_stale(struct h1_connection *);         /* idle, and something came: a system call */
void h1_wake(struct h1_connection *, bool was_looked_at); /* it was quiet when it was */
bool h1_is_reusable(const struct h1_connection *);
void h1_rest(struct h1_connection *, uint64_t within_ms); /* closes itself afterwards */

static inline struct h1_connection *h1_of(const struct outgoing *o)
{
    return list_entry(o, struct h1_connection, half);
}

/* --- h1_sending.c: the ways of the half that send --- */

void h1_send_request_head(struct outgoing *, struct forward_request *, struct body_size);
void h1_send_request_body(struct outgoing *, struct slice);
void h1_send_request_end(struct outgoing *, struct slice trailers);
void h1_flush(struct outgoing *);
size_t h1_backlog(const struct outgoing *);
uint32_t h1_unsent(const struct outgoing *);

/* --- may an idle connection be trusted because the last poll reported nothing? --- */

enum {
    FRESH_EVENTS = 900, /* less than libuv asks for at once; it asks again if it got so many */
    FRESH_WORK_US = 10000,
    FRESH_MS = 100,
};

/* Has the poll reported everything that was ready, and not long ago? Scripts that took long make
 * it old, and so does a process that stood still. */
static inline bool poll_is_fresh(const struct loop *loop, uint64_t now_us)
{
    return loop->events < FRESH_EVENTS && loop->events_before < FRESH_EVENTS &&
           loop->work_us < FRESH_WORK_US && now_us / 1000 < loop_now_ms(loop) + FRESH_MS;
}

#endif
