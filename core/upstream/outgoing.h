/*
 * outgoing - one connection to a backend, and the backend's half of an exchange.
 *
 * Opening, then lent to an exchange or idle in its pool, then closed. While it is
 * lent, its borrower adds the request to the stream and gets the response as
 * events; they end with on_end or on_failed, exactly one of them, unless the
 * borrower gives it back before.
 *
 * A 101 that was allowed is an on_head like that of an interim response. The
 * borrower calls outgoing_switch or outgoing_hold inside it, or closes: what follows is no HTTP.
 */
#ifndef UPSTREAM_OUTGOING_H
#define UPSTREAM_OUTGOING_H

#include "base/arena.h"
#include "base/bond.h"
#include "base/list.h"
#include "http/forward.h"
#include "http/framing.h"
#include "http/parse.h"
#include "net/deadline.h"
#include "net/stream.h"

struct pool;
struct outgoing;

enum outgoing_failure {
    OUTGOING_RESET,    /* the connection broke, or ended too early */
    OUTGOING_PROTOCOL, /* what came is not a response that we may pass on */
};

struct outgoing_events {
    void (*on_head)(struct outgoing *); /* an interim or the final one: outgoing_head */
    void (*on_body)(struct outgoing *, struct slice);
    void (*on_passed)(struct outgoing *, size_t length); /* of the body, as outgoing_pass_to says */
    void (*on_end)(struct outgoing *);                   /* give it back now */
    void (*on_failed)(struct outgoing *, enum outgoing_failure, const char *text);
    void (*on_drained)(struct outgoing *);
    void (*on_late)(struct outgoing *); /* what outgoing_expect has set has passed */
};

struct outgoing {
    struct stream stream;
    struct list_node node; /* in one of the pool's lists of idle ones */
    /* Of the client that has sent a body over it, and whom alone it serves; NULL: none has. While
     * it is idle it is one of them. */
    struct bond **bonds;
    struct bond bond;
    struct pool *pool;
    const struct outgoing_events *events; /* the borrower's; NULL while it is not lent */
    void *owner;
    void (*on_opened)(struct outgoing *, int status);
    struct deadline deadline; /* the borrower's while it is lent, else of being idle */
    struct parse parse;
    struct arena *arena;  /* the borrower's */
    enum framing framing; /* of the final response */
    /* The poll after which it was lent unchecked: what comes in that poll is older than the
     * request. 0: it was checked. */
    uint64_t lent_unchecked_at_poll;
    uint64_t began_at_poll; /* when the borrower began */
    uint64_t length;
    uint64_t bytes_read;  /* of this response */
    size_t interim_bytes; /* of the heads before the final one */
    bool answers_head;
    bool sends_in_chunks;
    bool may_switch;   /* the request asks for another protocol: a 101 is no fault */
    bool is_tunnel;    /* the 101 was taken: bytes go through as they are */
    bool is_reused;    /* it has served a request before */
    bool has_request;  /* the borrower has sent the whole request */
    bool has_response; /* the whole response is in */
    bool has_surplus;  /* bytes came that belong to no response */
    bool keeps_alive;  /* the backend lets the connection be used again */
    bool is_unusable;
    bool never_sent; /* nothing of the request went out: something else came before */
    bool is_held;
    struct stream *pass_to; /* NULL: nowhere */
    struct slice held;      /* what came with the head, in the arena */
};

struct outgoing *outgoing_new(struct pool *, void *owner,
                              void (*on_opened)(struct outgoing *, int status));
int outgoing_open(struct outgoing *, const struct sockaddr *) MUST_USE; /* as stream_connect */
void outgoing_close(struct outgoing *); /* no more events; it frees itself */
void outgoing_reset(struct outgoing *); /* the same, and the backend sees a reset */

/* For the pool. */
void outgoing_wake(struct outgoing *, bool was_looked_at); /* it was quiet when it was */
void outgoing_rest(struct outgoing *);
bool outgoing_is_reusable(const struct outgoing *);

/* For the borrower: a response is expected from now on. Borrows the rest until it is given
 * back. answers_head: the request's method is HEAD. may_switch: it has asked for an upgrade. */
void outgoing_begin(struct outgoing *, const struct outgoing_events *, void *owner,
                    const struct parse_limits *, struct arena *, bool answers_head,
                    bool may_switch);
/* Inside the on_head of a 101, or while that is held: from now on on_body has the bytes as they
 * come, the first ones in the same event; on_end says that the backend sends no more, and gives
 * nothing back: on_drained and on_failed may still come. It is never used again. */
void outgoing_switch(struct outgoing *, const struct outgoing_events *, void *owner);
void outgoing_expect(struct outgoing *, uint64_t within_ms); /* something; else on_late comes */
void outgoing_expect_nothing(struct outgoing *);             /* no on_late */
void outgoing_pause(struct outgoing *); /* no more on_body until outgoing_resume */
void outgoing_resume(struct outgoing *);
bool outgoing_is_read(const struct outgoing *); /* and the next: as incoming_is_read */
bool outgoing_is_lost(const struct outgoing *);
/* Inside the on_head of a final one: the stream may be given bytes of a body that is not in chunks
 * without an on_body. Borrows it until the response is over. NULL: none. */
void outgoing_pass_to(struct outgoing *, struct stream *);
/* Inside the on_head of a final one, or of a 101: nothing of what follows is told before
 * outgoing_release, not even what has come with the head. outgoing_release tells that at once; of a
 * 101 outgoing_switch does. */
void outgoing_hold(struct outgoing *);
void outgoing_release(struct outgoing *);

/* --- the request: a head, pieces of the body, and its end. What is sent in one event goes out when
 * that is over; until then it is borrowed, or until outgoing_flush. --- */

/* Of the forward_request the connection sets framing and length. */
void outgoing_send_head(struct outgoing *, struct forward_request *, struct body_size);
void outgoing_send_body(struct outgoing *, struct slice);
/* trailers: their lines, or empty. In a tunnel the backend sees the end. */
void outgoing_send_end(struct outgoing *, struct slice trailers);
void outgoing_flush(struct outgoing *);

/* Bytes that the backend's system did not take yet: send no more while there are some. */
static inline size_t outgoing_backlog(const struct outgoing *o)
{
    return stream_backlog(&o->stream);
}

/* The same, with what the kernel has for it. A system call. */
uint32_t outgoing_unsent(const struct outgoing *);
size_t outgoing_held_bytes(const struct outgoing *); /* besides those in the arena */

/* --- the response --- */

static inline const struct head *outgoing_head(const struct outgoing *o)
{
    return &o->parse.head;
}

static inline struct body_size outgoing_body_size(const struct outgoing *o)
{
    return body_size_of(o->framing, o->length);
}

/* Inside on_end: the lines of its trailer fields that are forwarded, in the arena. Empty if there
 * are none. */
static inline struct slice outgoing_trailers(struct outgoing *o)
{
    const struct parse *p = &o->parse;

    if (p->trailers_count == 0)
        return (struct slice){"", 0};
    return forward_trailers(o->arena, &p->head, p->trailers, p->trailers_count, NULL);
}

#endif
