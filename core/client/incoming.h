/*
 * incoming - the client's half of one exchange: head and body in, response out.
 *
 * Made by the client's connection when the first byte of a request arrives and
 * handed to the exchange when its head is complete. The exchange answers and
 * calls incoming_done exactly once; after that no event comes, and the memory,
 * the arena's included, goes away at the end of the loop turn.
 *
 * How it is spelt in bytes only its ways know: those of client/h1.c, or client/h2_answer.c.
 */
#ifndef CLIENT_INCOMING_H
#define CLIENT_INCOMING_H

#include "base/arena.h"
#include "client/rate.h"
#include "http/forward.h"
#include "http/parse.h"
#include "http/request.h"
#include "net/stream.h"

#include <stdint.h>

struct bond;
struct client;
struct incoming;

/* Why a request cannot be served, or not to its end. */
enum incoming_fault {
    INCOMING_BAD, /* malformed; text says how */
    INCOMING_BAD_VERSION,
    INCOMING_NOT_IMPLEMENTED,
    INCOMING_LONG_LINE,
    INCOMING_LARGE_HEAD,
    INCOMING_TIMED_OUT, /* the head, or the next piece of the body */
    INCOMING_TOO_MANY,  /* it is in order, but its connection is one too many */
    INCOMING_NO_MEMORY, /* it is in order, but holds too much: client/relief.h */
};

struct incoming_events {
    void (*on_body)(struct incoming *, struct slice); /* borrowed for the call */
    void (*on_body_end)(struct incoming *);
    void (*on_body_failed)(struct incoming *, enum incoming_fault, const char *text);
    void (*on_drained)(struct incoming *); /* all that was sent has left */
    void (*on_gone)(struct incoming *);    /* the client left; nothing can be sent any more */
    /* Memory is full: frees what the exchange can do without. Gives how many bytes the exchange
     * still holds, without the bytes of the incoming. */
    size_t (*on_memory_full)(struct incoming *);
};

/* What still reads the request's memory when its exchange is over. */
struct incoming_reader {
    void (*on_empty)(struct incoming_reader *); /* it goes now */
};

/* What a connection does for the exchange, by what it speaks. The calls below, by name, have the
 * contract of each. */
struct incoming_ways {
    void (*send_head)(struct incoming *, struct forward_response *, struct body_size);
    void (*send_body)(struct incoming *, struct slice);
    void (*send_end)(struct incoming *, struct slice trailers);
    void (*begin_reply)(struct incoming *);
    void (*send_reply)(struct incoming *, struct slice head, struct slice body);
    size_t (*backlog)(const struct incoming *);
    uint32_t (*unsent)(const struct incoming *);
    struct stream *(*bare)(struct incoming *);
    void (*pause)(struct incoming *);
    void (*resume)(struct incoming *);
    bool (*is_read)(const struct incoming *);
    bool (*is_lost)(const struct incoming *);
    void (*send_continue)(struct incoming *);
    void (*watch)(struct incoming *);
    void (*done)(struct incoming *);
    void (*cut)(struct incoming *);
    void (*switches)(struct incoming *);
};

struct incoming {
    const struct incoming_ways *ways;
    struct client *client;
    const struct incoming_events *events; /* the exchange's; NULL before there is one */
    void *owner;
    struct incoming_reader *reader; /* or NULL */
    struct request request;
    struct arena arena;
    uint64_t began_us;      /* steady clock: when its first byte was read */
    uint64_t body_bytes;    /* received so far, codings removed; in a tunnel all bytes */
    struct rate sent;       /* of the body, by the client; and */
    struct rate taken;      /* of the answer */
    uint64_t took_ms;       /* when the client was last seen to take some of what waits for it */
    uint32_t stream_id;     /* of HTTP/2; else 0 */
    uint64_t counted_as;    /* for limits.per_client_requests; 0: it is not counted */
    const char *why_gone;   /* why the client is made to go; NULL: it went by itself */
    bool is_first;          /* of its connection */
    bool body_complete;     /* the whole request is in */
    bool body_follows;      /* in on_request: more was read with its head */
    bool awaits_continue;   /* the client wants an interim response before it sends the body */
    bool has_continue;      /* and has had it from us */
    bool has_answered;      /* some of the final answer was sent */
    bool closes;            /* the connection ends with this answer */
    bool answers_in_chunks; /* between two events nothing of a chunk is missing */
    bool needs_reset;       /* the client would take an end for that of the answer */
    uint8_t head_begun;     /* bytes of the next head that are out: client/watch.c */
    bool is_unheard;        /* the client was refused already: what is answered is for the log */
    bool is_cut;            /* we end it, not the client: draining took too long */
    bool is_done;
    struct parse parse; /* the last: incoming_begin */
};

/* --- the request --- */

static inline const struct head *incoming_head(const struct incoming *in)
{
    return &in->parse.head;
}

static inline bool incoming_has_head(const struct incoming *in)
{
    return in->parse.has_head; /* else it is refused, and its head is what could be read */
}

static inline bool incoming_is_head(const struct incoming *in) /* the response has no body */
{
    return slice_is(in->parse.head.method, SLICE("HEAD"));
}

static inline bool incoming_is_first(const struct incoming *in) /* request of its connection */
{
    return in->is_first;
}

static inline struct body_size incoming_body_size(const struct incoming *in)
{
    return request_body_size(&in->request);
}

/* Inside on_body_end and later: the lines of its trailer fields that are forwarded, with these
 * changes, or NULL, in the arena. Empty if there are none. */
static inline struct slice incoming_trailers(struct incoming *in,
                                             const struct field_changes *changes)
{
    const struct parse *p = &in->parse;

    if (p->trailers_count == 0)
        return (struct slice){"", 0};
    return forward_trailers(&in->arena, &p->head, p->trailers, p->trailers_count, changes);
}

/* --- the response: interim heads, the final head, pieces of the body, the end. What is sent in one
 * event goes out when that is over; until then it is borrowed. --- */

/* A head: interim, which a 1.0 client does not get, 101, or the final one, with its body's size.
 * The connection sets framing, length, client_version and closes of the forward_response. */
static inline void incoming_send_head(struct incoming *in, struct forward_response *response,
                                      struct body_size size)
{
    in->ways->send_head(in, response, size);
}

static inline void incoming_send_body(struct incoming *in, struct slice piece)
{
    in->ways->send_body(in, piece);
}

/* trailers: their lines, or empty. In a tunnel the client sees the end. */
static inline void incoming_send_end(struct incoming *in, struct slice trailers)
{
    in->ways->send_end(in, trailers);
}

/* Bytes that the client's system did not take yet: send no more while there are some. */
static inline size_t incoming_backlog(const struct incoming *in)
{
    return in->ways->backlog(in);
}

static inline uint32_t incoming_unsent(const struct incoming *in) /* with what the kernel has. A */
{                                                                 /* system call */
    return in->ways->unsent(in);
}

/* Behind incoming_send_head: where the bytes of the body may go as they are, past
 * incoming_send_body. NULL: nowhere. */
static inline struct stream *incoming_bare(struct incoming *in)
{
    return in->ways->bare(in);
}

static inline void incoming_pause(struct incoming *in) /* no more on_body until incoming_resume */
{
    in->ways->pause(in);
}

static inline void incoming_resume(struct incoming *in)
{
    in->ways->resume(in);
}

/* Are the client's bytes read? If not, no event says that it has left: incoming_is_lost asks
 * whether it did, by a reset. That is a system call. */
static inline bool incoming_is_read(const struct incoming *in)
{
    return in->ways->is_read(in);
}

static inline bool incoming_is_lost(const struct incoming *in)
{
    return in->ways->is_lost(in);
}

/* The client awaits a 100 before it sends the body: it gets one. */
static inline void incoming_continue(struct incoming *in)
{
    in->ways->send_continue(in);
}

/* More was sent; watches that the client takes it. */
static inline void incoming_watch(struct incoming *in)
{
    in->ways->watch(in);
}

/* The answer is complete, or there will be none. */
static inline void incoming_done(struct incoming *in)
{
    in->ways->done(in);
}

/* The answer cannot be completed, and the client must see that: by its framing, or if that does
 * not show it (needs_reset), by a reset. In place of incoming_done. */
static inline void incoming_cut(struct incoming *in)
{
    in->ways->cut(in);
}

/* The 101 was added, or will be in this event: no HTTP follows (RFC 9110, 7.8). From now on on_body
 * has the bytes as they come, what came early first, and on_body_end says that the client sends no
 * more; none of them inside this call. The tunnel and its connection end with incoming_leave, if
 * it breaks by a reset. */
static inline void incoming_switch(struct incoming *in)
{
    in->ways->switches(in);
}

static inline void incoming_leave(struct incoming *in, bool breaks)
{
    in->needs_reset = breaks;
    in->ways->cut(in);
}

const char *incoming_why_gone(const struct incoming *); /* after on_gone: for the log */
/* The client: the connection's other end, or whom its PROXY header names. */
const struct sockaddr_in6 *incoming_peer(const struct incoming *);
struct slice incoming_scheme(const struct incoming *); /* "http"; over TLS "https" */
/* What is known of the handshake, as long as the connection is there. NULL: it is not TLS. */
const struct tls_said *incoming_tls(const struct incoming *);
bool incoming_may_vouch(const struct incoming *);        /* for others, if that peer is trusted */
struct slice incoming_listener(const struct incoming *); /* what that is called by which it came */
struct bond **incoming_bonds(struct incoming *); /* of the connection: they outlive the request */

/* --- for this folder --- */

extern const struct incoming_ways incoming_h1; /* its connection speaks HTTP/1 */

/* Bytes of a tunnel. */
void incoming_pass(struct incoming *, struct slice);
/* An answer of our own: call it before its head is written, as it may set closes. */
static inline void incoming_begin_reply(struct incoming *in)
{
    in->ways->begin_reply(in);
}

/* Then the whole answer: a final head, which begins with "HTTP/1.1 ", and its body, or none. */
static inline void incoming_send_reply(struct incoming *in, struct slice head, struct slice body)
{
    in->ways->send_reply(in, head, body);
}

/* Of HTTP/1: sends a byte of the head that will follow, whichever that is: to a client that is
 * still there it means nothing yet, and a client that is gone resets. Nothing, once all that heads
 * have in common is out. */
void incoming_begin_head(struct incoming *);
/* The rest of the body does not come: the exchange answers, and the connection ends. */
void incoming_fail_body(struct incoming *, enum incoming_fault, const char *text);

#endif
