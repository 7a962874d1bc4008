/*
 * tls_handshake - from the first bytes of a client to a connection that is OPEN.
 *
 * The ClientHello is read whole, and a site is chosen, before the library makes anything for the
 * connection: until then a connection costs only the bytes that it has sent. A handshake takes the
 * CPU for a fraction of a millisecond and cannot be interrupted. So a turn of the loop that has
 * spent 2 ms on handshakes begins no more: the others wait for the next turn, in their order.
 */
#ifndef NET_TLS_HANDSHAKE_H
#define NET_TLS_HANDSHAKE_H

#include "net/loop.h"
#include "net/tls.h"
#include "net/tls_sites.h"

struct tls_server { /* one per loop */
    struct loop *loop;
    struct tls_sites *sites;
    struct deferred next;        /* continues with the waiting connections */
    struct list_node waiting;    /* connections that wait for a turn with time */
    struct list_node unfinished; /* all in HELLO, WAITING or SHAKING, the oldest first */
    unsigned unfinished_count;
    uint64_t turn, turn_us; /* the last turn, and how long its handshakes took */
    uint32_t refused[TLS_REFUSALS];
    /* The connection's turn has come: calls tls_handshake_continue. The owner of the connections
     * sets it. */
    void (*on_turn)(struct tls *);
};

void tls_server_init(struct tls_server *, struct loop *);
void tls_server_dispose(struct tls_server *);
/* From now on handshakes follow these rules, which are borrowed until the next call. */
void tls_server_follow(struct tls_server *, const struct tls_sites_rules *);

/* For a connection just accepted. read: the bytes read already; if there are any, on_turn comes for
 * them. */
struct tls *tls_handshake_new(struct tls_server *, void *owner, struct slice read);
/* Takes bytes that were read. */
void tls_handshake_take(struct tls *, struct slice sealed, struct tls_took *took);
void tls_handshake_continue(struct tls *, struct tls_took *took);
/* Ends a handshake that is not over. The client gets no alert. */
void tls_handshake_refuse(struct tls *, enum tls_refusal, const char *why);
/* In any state: frees the library's memory, and gives up the turn. */
void tls_handshake_stop(struct tls *);
void tls_handshake_free(struct tls *); /* NULL is fine */

#endif
