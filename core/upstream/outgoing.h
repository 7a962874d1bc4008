/*
 * outgoing - the backend's half of one exchange: a request is sent, a response comes.
 *
 * A pool lends it. Its borrower calls outgoing_begin, sends the request, and gets the response as
 * events; they end with on_end or on_failed, exactly one of them, unless the borrower gives it back
 * before.
 *
 * A 101 that was allowed is an on_head like that of an interim response. The borrower calls
 * outgoing_switch or outgoing_hold inside it, or closes: what follows is no HTTP.
 *
 * The ways are what the functions below do on its connection: upstream/h1.c has those of HTTP/1,
 * where a connection has one half.
 */
#ifndef UPSTREAM_OUTGOING_H
#define UPSTREAM_OUTGOING_H

#include "http/forward.h"
#include "http/framing.h"
#include "http/parse.h"
#include "net/deadline.h"

struct bond;
struct outgoing;
struct stream;

enum outgoing_failure {
    OUTGOING_RESET, /* the connection broke, or ended too early */
    OUTGOING_STALE, /* the same, before any byte came, of a connection that has served before */
    /* The backend never began with the request, or it never left (RFC 9113, 8.7): never_sent. */
    OUTGOING_UNPROCESSED,
    OUTGOING_TLS,      /* a record that the backend cannot have sealed, or an alert */
    OUTGOING_PROTOCOL, /* what came is not a response that we may pass on */
};

struct outgoing_events {
    void (*on_head)(struct outgoing *); /* an interim or the final one: outgoing->head */
    void (*on_body)(struct outgoing *, struct slice);
    void (*on_passed)(struct outgoing *, size_t length); /* of the body, to pass_to */
    void (*on_end)(struct outgoing *);                   /* give it back now */
    void (*on_failed)(struct outgoing *, enum outgoing_failure, const char *text);
    void (*on_drained)(struct outgoing *);
    void (*on_late)(struct outgoing *); /* what outgoing_expect has set has passed */
};

struct outgoing_request {              /* what is known of it before it is sent */
    const struct parse_limits *limits; /* of the response */
    struct arena *arena;
    struct bond **bonds;  /* of the client: its own connections are among them */
    bool answers_head;    /* the method is HEAD */
    bool may_switch;      /* it asks for another protocol: a 101 is no fault */
    bool may_repeat;      /* it may be sent again, and there is nothing of it but its head */
    bool binds;           /* its connection serves no other client from now on, */
    bool ends_connection; /* or nobody at all */
};

enum outgoing_state {
    OUTGOING_IDLE,     /* nobody has it */
    OUTGOING_OVER,     /* on_end or on_failed has come, or it is closed */
    OUTGOING_AWAITING, /* the response is awaited, or comes */
    OUTGOING_HELD,     /* outgoing_hold */
    OUTGOING_TUNNEL,   /* outgoing_switch */
};

struct outgoing_ways { /* as the functions below, which say what each is for */
    void (*begin)(struct outgoing *);
    void (*close)(struct outgoing *);
    void (*reset)(struct outgoing *);
    void (*switch_over)(struct outgoing *, bool was_held);
    void (*pause)(struct outgoing *);
    void (*resume)(struct outgoing *);
    bool (*is_read)(const struct outgoing *);
    bool (*is_lost)(const struct outgoing *);
    void (*release)(struct outgoing *);
    void (*send_head)(struct outgoing *, struct forward_request *, struct body_size);
    void (*send_body)(struct outgoing *, struct slice);
    void (*send_end)(struct outgoing *, struct slice trailers);
    void (*flush)(struct outgoing *);
    size_t (*backlog)(const struct outgoing *);
    uint32_t (*unsent)(const struct outgoing *);
    size_t (*held_bytes)(const struct outgoing *);
};

struct outgoing {
    const struct outgoing_ways *ways;
    enum outgoing_state state; /* changes in outgoing_enter only */
    struct loop *loop;
    struct deadline deadline; /* of outgoing_expect; its connection's while nobody has it */
    const struct outgoing_events *events;
    void *owner;
    const struct outgoing_request *request;
    const struct head *head; /* of the response, the last one; its bytes are in the arena */
    struct body_size size;   /* of the response's body */
    uint64_t bytes_read;     /* of this response */
    /* For the borrower to set inside the on_head of a final one: gets bytes of a body that is not
     * in chunks without an on_body. Borrowed until the response is over. NULL: none. */
    struct stream *pass_to;
    struct slice held; /* what came with the head, in the arena */
    /* Inside on_end: the lines of its trailer fields that are forwarded, in the arena. */
    struct slice trailers;
    bool has_request; /* the borrower has sent the whole request */
    bool never_sent;  /* nothing of the request went out, or the backend never began with it */
    bool is_late;     /* its on_late has come */
};

/* --- for its connection --- */

extern const struct state_row outgoing_states[];

void outgoing_init(struct outgoing *, const struct outgoing_ways *, struct loop *);

static inline void outgoing_enter(struct outgoing *o, enum outgoing_state state)
{
    CHECK_STATE(outgoing_states, o, o->state, state);
    o->state = state;
}

static inline bool outgoing_is_live(const struct outgoing *o) /* its borrower waits for events */
{
    return o->state >= OUTGOING_AWAITING;
}

/* --- for the borrower --- */

/* A response is expected from now on. Borrows all until it is given back. */
void outgoing_begin(struct outgoing *, const struct outgoing_events *, void *owner,
                    const struct outgoing_request *);

/* Gives it back: no more events, and nobody gets it again. */
static inline void outgoing_close(struct outgoing *o)
{
    o->ways->close(o);
}

static inline void outgoing_reset(struct outgoing *o) /* the same, and the backend sees a reset */
{
    o->ways->reset(o);
}

/* Inside the on_head of a 101, or while that is held: from now on on_body has the bytes as they
 * come, the first ones in the same event; on_end says that the backend sends no more, and gives
 * nothing back: on_drained and on_failed may still come. It is never used again. */
void outgoing_switch(struct outgoing *, const struct outgoing_events *, void *owner);

/* Something is to come; else on_late comes. */
static inline void outgoing_expect(struct outgoing *o, uint64_t within_ms)
{
    deadline_set(o->loop, &o->deadline, within_ms);
}

static inline void outgoing_expect_nothing(struct outgoing *o) /* no on_late */
{
    deadline_rest(&o->deadline);
}

static inline void outgoing_pause(struct outgoing *o) /* no more on_body until outgoing_resume */
{
    o->ways->pause(o);
}

static inline void outgoing_resume(struct outgoing *o)
{
    o->ways->resume(o);
}

/* Are the backend's bytes read? If not, no event says that it has left: outgoing_is_lost asks
 * whether it did, by a reset. That is a system call. */
static inline bool outgoing_is_read(const struct outgoing *o)
{
    return o->ways->is_read(o);
}

static inline bool outgoing_is_lost(const struct outgoing *o)
{
    return o->ways->is_lost(o);
}

/* Inside the on_head of a final one, or of a 101: no event of what follows comes before
 * outgoing_release, not even of what has come with the head. outgoing_release brings that at once;
 * of a 101 outgoing_switch does. */
void outgoing_hold(struct outgoing *);
void outgoing_release(struct outgoing *);

/* --- the request: a head, pieces of the body, and its end. What is sent in one event goes out when
 * that is over; until then it is borrowed, or until outgoing_flush. --- */

/* Of the forward_request the connection sets framing and length. */
static inline void outgoing_send_head(struct outgoing *o, struct forward_request *request,
                                      struct body_size size)
{
    o->ways->send_head(o, request, size);
}

static inline void outgoing_send_body(struct outgoing *o, struct slice piece)
{
    o->ways->send_body(o, piece);
}

/* trailers: their lines, or empty. In a tunnel the backend sees the end. */
static inline void outgoing_send_end(struct outgoing *o, struct slice trailers)
{
    o->ways->send_end(o, trailers);
}

static inline void outgoing_flush(struct outgoing *o)
{
    o->ways->flush(o);
}

/* Bytes that the backend's system did not take yet: send no more while there are some. */
static inline size_t outgoing_backlog(const struct outgoing *o)
{
    return o->ways->backlog(o);
}

/* The same, with what the kernel has for it. A system call. */
static inline uint32_t outgoing_unsent(const struct outgoing *o)
{
    return o->ways->unsent(o);
}

static inline size_t outgoing_held_bytes(const struct outgoing *o) /* besides those in the arena */
{
    return o->ways->held_bytes(o);
}

#endif
