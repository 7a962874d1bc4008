/*
 * client_inside - one client connection, as the files of this folder see it, and what they do to
 * it.
 *
 * For this folder; the others see clients and incoming. client/states.c has the picture of the
 * states.
 */
#ifndef CLIENT_CLIENT_INSIDE_H
#define CLIENT_CLIENT_INSIDE_H

#include "base/bond.h"
#include "base/mem.h"
#include "client/clients_inside.h"
#include "net/tls_move.h"

enum client_state {
    CLIENT_IDLE, /* as they begin, but for */
    CLIENT_INTRODUCTION,
    CLIENT_HANDSHAKE,
    CLIENT_HEAD,
    CLIENT_BUSY,
    CLIENT_TUNNEL,
    CLIENT_PREFACE, /* as they begin where listen has h2c = true */
    CLIENT_H2,
    CLIENT_LINGERING,
    CLIENT_CLOSING,
};

/* Ten thousand of them are idle: what few need is apart, and the order leaves no gaps. */
struct client {
    struct stream stream;
    struct deadline deadline; /* what it is for follows from the state: client_watch */
    struct deferred resume;   /* continues after an exchange */
    struct list_node node;
    struct clients *clients;
    const struct listener *listener; /* by which it came */
    struct incoming *incoming;       /* NULL while idle, and in HTTP/2 */
    struct client_h2 *h2;            /* NULL: it speaks HTTP/1 (client/h2.h) */
    struct buffer *early;            /* read ahead of its turn; NULL: nothing */
    struct bond *bonds;              /* what ends with it: connections that serve it alone */
    struct sockaddr_in6 peer;
    uint32_t watched_bytes; /* not taken by the client when the deadline was set */
    uint32_t accepted_ms;   /* steady clock, its low bits */
    uint32_t rested_ms;     /* steady clock, its low bits: since when, if it rests */
    uint64_t counted_as;    /* its key in shared/clients_by_address.h; 0: it is not counted */
    uint8_t state;          /* changes in client_enter only */
    uint8_t checks;         /* whether a client that has half-closed is still there */
    uint8_t idle_lingers;   /* in a row in which the client took nothing */
    bool is_new : 1;        /* accepted, and not looked at yet */
    bool has_ended : 1;     /* the client sends no more */
    bool is_paused : 1;     /* the exchange wants no more of the body for now */
    bool has_served : 1;    /* at least one request */
    bool is_nameless : 1;   /* its PROXY header named nobody: it may not vouch for others */
    bool is_refused : 1;    /* one too many of its address: its first request is answered 429 */
};

/* --- arrival.c: its beginning --- */

struct arrival { /* of a connection that another worker had */
    struct sockaddr_in6 peer;
    uint32_t age_ms;
    bool has_served, is_nameless, is_introduced;
    struct slice tls; /* of net/tls_move.h; empty: none */
};

/* Takes the socket. */
void client_arrive(struct clients *, const struct listener *, int socket, const struct arrival *);
uint64_t client_first_head_ms(const struct clients *); /* for its first request */
void client_admit(struct client *); /* its address is known: what is read of it now? */
void client_drain(struct client *); /* ends after the current answer, or soon if it is idle */

/* --- client.c: from event to event --- */

extern const struct stream_events client_stream_events;
void client_on_resume(struct deferred *);
void client_resume_later(struct client *); /* the exchange is over: continues this loop turn */
void client_switch(struct client *);       /* what comes is no HTTP from now on (incoming_switch) */

/* --- clients.c --- */

/* A visitor may close the connection that it is shown. */
void clients_each(struct clients *, void (*visit)(struct client *));

/* --- moving.c: to another worker --- */

/* Between two requests it does, and so no answer is its last one. */
static inline bool client_moves(const struct client *c)
{
    const struct moving *m = c->clients->moving;

    return m != NULL && c->h2 == NULL && c->bonds == NULL && !c->is_refused &&
           (c->stream.tls == NULL || (m->takes_tls && tls_can_move(c->stream.tls)));
}

void client_move(struct client *);      /* it may have begun to rest; it may be closed then */
void client_move_soon(struct client *); /* the same, but not inside this call */
void clients_stop_moving(struct clients *);

/* --- states.c: the states, and how it ends --- */

void client_enter(struct client *, enum client_state);
void client_take_place(struct client *); /* it was accepted: the first of all */
/* Calls on_gone of the exchange, if there is one; the connection frees itself. The peer sees a
 * reset if it could take an end for that of the answer. */
void client_close(struct client *);
void client_reset(struct client *);     /* the same, and the peer sees a reset */
void client_on_closed(struct stream *); /* the last event of its stream: frees it */
/* There is no valid head, and will be none: it is answered with an error, if at all. */
void client_fail_head(struct client *, enum incoming_fault, const char *text);
enum incoming_fault client_fault_of(enum parse_error);

/* --- early.c: what it has sent ahead of its turn --- */

static inline size_t early_bytes(const struct client *c)
{
    return c->early != NULL ? buffer_length(c->early) : 0;
}

bool early_has_room_behind(const struct client *);        /* what is there already */
static inline bool early_has_room(const struct client *c) /* for what comes next, whatever it is */
{
    return c->early == NULL || early_has_room_behind(c);
}

void early_keep(struct client *, struct slice);
void early_drop(struct client *); /* all of it */

/* --- watch.c: how long it may stay as it is, and whether anybody is there --- */

void client_on_deadline(struct deadline *);
bool client_may_read(const struct client *); /* there is room for what comes */
void client_watch(struct client *); /* sets the deadline that the state calls for, from now */
/* The client has shut its sending side and an answer is under way: finds out, from now on, if it
 * is gone. */
void watch_begin_probing(struct client *);
void watch_begin_lingering(struct client *);
void watch_answer(struct incoming *); /* incoming_watch */
void watch_body(struct client *);     /* a piece of the request was read, and more is to come */
bool watch_drained(struct client *);  /* nothing that was sent waits any more; false: it is cut */

/* --- resting.c: between two requests, or before the first --- */

bool client_is_resting(const struct client *); /* empty lines are no beginning of a request */
/* It rests, or leaves, from now on: the last of that list. */
void resting_note(struct client *, enum clients_list);

/* --- blocks.c: the memory of requests, kept for the next --- */

enum {
    INCOMING_BLOCK_BYTES = 8192,
    SPARE_MAX = 128,
};

static inline void *blocks_take(struct clients *clients)
{
    struct list_node *block = clients->spare.next;

    if (block == &clients->spare)
        return mem_alloc(INCOMING_BLOCK_BYTES);
    list_remove(block);
    clients->spare_count--;
    if (clients->spare_count < clients->spare_least)
        clients->spare_least = clients->spare_count;
    return block;
}

static inline void blocks_give(struct clients *clients, void *block)
{
    if (clients->spare_count >= SPARE_MAX) {
        mem_free(block);
        return;
    }
    clients->spare_count++;
    list_prepend(&clients->spare, block);
}

/* Of a block taken, where the arena begins at `behind`: a request begins. */
void incoming_begin(struct incoming *, struct client *, const struct incoming_ways *, void *block,
                    void *behind);
void incoming_new(struct client *);      /* the same of HTTP/1: client->incoming */
void incoming_let_go(struct incoming *); /* for incoming_empty: who counts it, and who reads it */

static inline void incoming_empty(struct incoming *in) /* only how it ended is asked from now on */
{
    if (in->counted_as != 0 || in->reader != NULL)
        incoming_let_go(in);
    parse_dispose(&in->parse);
    arena_dispose(&in->arena);
}

void incoming_free(struct client *);
void blocks_free(struct clients *, unsigned kept); /* the spare ones, but so many */

#endif
