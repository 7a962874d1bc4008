/*
 * client_inside - one client connection, as the files of this folder see it.
 *
 * For this folder; the others see clients and incoming. client/states.c has the picture of the
 * states.
 */
#ifndef CLIENT_CLIENT_INSIDE_H
#define CLIENT_CLIENT_INSIDE_H

#include "base/bond.h"
#include "client/clients_inside.h"

enum client_state {
    CLIENT_IDLE, /* as they begin, but for */
    CLIENT_INTRODUCTION,
    CLIENT_HEAD,
    CLIENT_BUSY,
    CLIENT_TUNNEL,
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
    struct incoming *incoming;       /* NULL while idle */
    struct buffer *early;            /* read ahead of its turn; NULL: nothing */
    struct bond *bonds;              /* what ends with it, for those who serve it */
    struct sockaddr_in6 peer;
    uint32_t watched_bytes; /* not taken by the client when the deadline was set */
    uint32_t rested_ms;     /* steady clock, its low bits: since when, if it rests */
    uint64_t counted_as;    /* its key in shared/clients_by_address.h; 0: it is not counted */
    uint8_t state;
    uint8_t checks;       /* whether a client that has half-closed is still there */
    uint8_t idle_lingers; /* in a row in which the client took nothing */
    bool is_new : 1;      /* accepted, and not looked at yet */
    bool has_ended : 1;   /* the client sends no more */
    bool is_paused : 1;   /* the exchange wants no more of the body for now */
    bool has_served : 1;  /* at least one request */
    bool is_nameless : 1; /* its PROXY header named nobody: it may not vouch for others */
    bool is_refused : 1;  /* one too many of its address: its first request is answered 429 */
};

#endif
