/*
 * client - one client connection: request after request, keep-alive, limits.
 *
 * For this folder; the others see clients and incoming. The states, of which
 * client.c has the picture, change in client_enter only.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "base/bond.h"
#include "client/clients.h"

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
    struct deferred resume;   /* goes on after an exchange */
    struct list_node node;
    struct clients *clients;
    const struct listener *listener; /* by which it came */
    struct incoming *incoming;       /* NULL while idle */
    struct buffer *early;            /* read ahead of its turn; NULL: nothing */
    struct bond *bonds;              /* what ends with it, for those who serve it */
    struct sockaddr_in6 peer;
    uint32_t watched_bytes; /* not taken by the client when the deadline was set */
    uint32_t rested_ms;     /* steady clock, its low bits: since when, if it rests */
    uint64_t caller;        /* what it is counted under: shared/callers.h; 0: it is not */
    uint8_t state;
    uint8_t checks;       /* whether a client that has half-closed is still there */
    uint8_t idle_lingers; /* in a row in which the client took nothing */
    bool is_new : 1;      /* accepted, and not looked at yet */
    bool has_ended : 1;   /* the client sends no more */
    bool is_paused : 1;   /* the exchange wants no more of the body for now */
    bool has_served : 1;  /* at least one request */
    bool
        is_nameless : 1; /* its PROXY header named nobody: what it says of others is not believed */
    bool is_refused : 1; /* one too many of its address: its first request is answered 429 */
};

/* Takes the socket. */
struct client *client_new(struct clients *, const struct listener *, int socket,
                          const struct sockaddr_in6 *peer);
bool client_may_read(const struct client *);
bool client_is_trusted(const struct client *); /* its peer, by trusted_proxies */
void client_await_introduction(struct client *, uint64_t within_ms); /* a PROXY header, first */
void client_check_callers(struct client *); /* limits.per_client: it is counted, maybe refused */
void client_drain(struct client *); /* ends after the current answer, or soon if it is idle */
/* Tells the exchange, if there is one; frees itself. The peer sees a reset if it could take an
 * end for that of the answer. */
void client_close(struct client *);
void client_reset(struct client *); /* the same, and the peer sees a reset */
void client_watch(struct client *); /* sets the deadline that the state calls for, from now */
void clients_note_rest(struct client *, enum clients_list); /* it is not given up before others */
void clients_note_left(struct clients *);                   /* one has no place any more */
void clients_forget(struct clients *, struct client *);     /* it is closed */
void client_uncount_caller(struct client *);                /* limits.per_client: it leaves */
void incoming_new(struct client *);                         /* a request begins: client->incoming */
enum incoming_fault incoming_fault_of(enum parse_error);
void incoming_empty(struct incoming *); /* only how it ended is asked from now on */
void incoming_free(struct client *);
void incoming_free_spare(struct clients *, unsigned kept);
void client_continue(struct client *);     /* adds an interim response (RFC 9110, 15.2.1) */
void client_resume_later(struct client *); /* the exchange is over: goes on this loop turn */
void client_switch(struct client *);       /* what comes is no HTTP from now on (incoming_switch) */
/* There is no valid head, and will be none. */
void client_fail_head(struct client *, enum incoming_fault, const char *text);

#endif
