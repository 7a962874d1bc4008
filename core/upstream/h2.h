/*
 * h2 - connections to one backend in HTTP/2, shared by streams: each stream is an outgoing
 * (RFC 9113).
 *
 * h2_sharing.c has which connection a stream goes over, and the requests that wait for one; h2.c
 * has what becomes of a connection, and h2_stream.c the ways of an outgoing. wire/h2 has the frames
 * and windows.
 *
 * A stream goes over the connection that was used last and has room: so those that are not needed
 * fall idle, and close. If none has room a connection is opened, one for as many requests as it is
 * expected to take. A connection that the peer gives up (GOAWAY) gets no new streams.
 */
#ifndef UPSTREAM_H2_H
#define UPSTREAM_H2_H

#include "base/buffer.h"
#include "http/response.h"
#include "net/opening.h"
#include "upstream/outgoing.h"
#include "wire/h2.h"

struct backend_h2;
struct sharing;

struct sharing_events {                     /* its pool's; owner is sharing->owner */
    void (*on_begun)(void *owner);          /* one connection more */
    void (*on_closed)(void *owner);         /* one less; the pool may go, and the sharing with it */
    void (*on_idle)(void *owner, int more); /* so many more, or fewer, have no stream */
    /* There are no more descriptors: closes one. False: there is none to close. */
    bool (*make_room)(void *owner);
};

struct sharing { /* embedded in the pool of a backend */
    struct loop *loop;
    const struct sharing_events *events;
    void *owner;
    struct tls_target *target; /* the pool's; not set: without TLS */
    uint32_t streams_max;      /* of one connection, at once: h2.backend_streams */
    uint32_t peer_max;         /* what the last SETTINGS that came allow; 0: none have come */
    uint64_t idle_ms;
    uint64_t connect_ms;          /* of the request that waited last */
    struct list_node connections; /* that take new streams, the one used last first */
    struct list_node waits;       /* struct sharing_wait, in their order */
    struct list_node openings;    /* struct sharing_opening */
    struct opening_account account;
    struct deferred serve; /* those that wait */
    bool is_closing;
};

struct sharing_wait { /* embedded in what asks; stays in place until its event */
    void (*on_ready)(struct sharing_wait *, struct outgoing *);
    /* A negative libuv code; UV_EPROTO: TLS has failed, and why, a static text, says why. */
    void (*on_failed)(struct sharing_wait *, int code, const char *why);
    struct list_node node;
    const struct sockaddr *to;
    bool insists; /* as of an opening */
};

/* Borrows loop and events. streams_max, idle_ms, owner: for the pool to set. */
void sharing_init(struct sharing *, struct loop *, const struct sharing_events *, void *owner);
void sharing_dispose(struct sharing *); /* nobody waits, and no connection is left */
/* A stream of a connection with room; NULL: there is none. may_repeat: of the request. */
struct outgoing *sharing_take(struct sharing *, bool may_repeat);
/* Its event comes later, or sharing_cancel. Borrows the address until then. */
void sharing_await(struct sharing *, struct sharing_wait *, const struct sockaddr *to,
                   uint64_t connect_ms);
void sharing_cancel(struct sharing *, struct sharing_wait *);
void sharing_retire_all(struct sharing *);   /* they take no new streams, and close as they end */
bool sharing_close_oldest(struct sharing *); /* an idle one; false: there is none */
void sharing_close(struct sharing *); /* after sharing_retire_all; who waits is still served */

/* --- h2_stream.c --- */

/* Gives back what has had its on_end. */
void backend_stream_return(struct outgoing *);
bool outgoing_is_stream(const struct outgoing *);

/* --- for this folder's h2*.c --- */

enum { FIRST_STREAMS = 8 }; /* of a connection whose SETTINGS have not come */

struct backend_h2 {
    struct stream stream;
    struct h2 wire;
    struct sharing *sharing;
    struct list_node node;           /* in sharing->connections, while it takes new streams */
    struct sharing_opening *opening; /* for which it opens; NULL: none */
    struct deadline rest;            /* without streams */
    struct deadline pong;            /* a PING is to be answered */
    unsigned streams;                /* that somebody has */
    unsigned late;                   /* streams given up for their deadline since anything came */
    bool is_begun;                   /* connected: wire is in use */
    bool is_idle;                    /* it is counted as idle */
    bool is_closed;                  /* it waits for its last stream to be given back */
    bool has_served;
    const char *tls_fault; /* static; NULL: its TLS has not failed */
    bool is_refusing;      /* a stream was refused, and none has ended since */
};

struct backend_stream {
    struct outgoing half;
    struct h2_stream wire;
    struct backend_h2 *connection; /* NULL: it was given back */
    struct response response;      /* of it the heads alone are fed */
    struct buffer held;            /* of the body: what came while the borrower wanted none */
    size_t owed;                   /* bytes of it that were passed on, without new credit so far */
    struct deferred later;         /* what is held goes on; or the memory goes */
    const char *why;               /* it has failed while it was held; NULL: it has not */
    enum outgoing_failure failure;
    bool is_paused, has_end, has_no_body;
};

/* --- h2.c --- */

/* Begins to connect. 0, or a negative libuv code: it is closed. */
int backend_h2_open(struct backend_h2 **, struct sharing *, const struct sockaddr *,
                    struct sharing_opening *) MUST_USE;
void backend_h2_begin(struct backend_h2 *); /* it is connected */
void backend_h2_close(struct backend_h2 *); /* its streams fail */
bool backend_h2_has_room(const struct backend_h2 *);
void backend_h2_retire(struct backend_h2 *); /* no new streams; closes when it has none */
bool backend_h2_is_outdated(const struct backend_h2 *);       /* it shook hands by other rules */
void backend_h2_note_stream(struct backend_h2 *);             /* one more */
void backend_h2_note_end(struct backend_h2 *, bool was_late); /* one less */

/* --- h2_sharing.c: what a connection tells it --- */

void sharing_on_reached(struct sharing_opening *, struct backend_h2 *); /* TLS begins */
void sharing_on_opened(struct sharing_opening *, struct backend_h2 *, int status);
void sharing_on_room(struct sharing *); /* there may be some */

/* --- h2_stream.c --- */

struct outgoing *backend_stream_new(struct backend_h2 *);
void backend_stream_take_head(struct h2_stream *, const struct h2_head *);
void backend_stream_take_body(struct h2_stream *, struct slice);
void backend_stream_take_end(struct h2_stream *, const struct h2_head *trailers);
void backend_stream_take_reset(struct h2_stream *, const struct h2_reset *);
void backend_stream_take_drained(struct h2_stream *);

#endif
