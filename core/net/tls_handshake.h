/*
 * tls_handshake - from the first bytes of a client to a connection that is OPEN.
 *
 * A client's hello is read whole, and its site is chosen, before anything of the library exists for
 * it: until then a connection costs its bytes. A handshake takes the CPU for a fraction of a
 * millisecond and cannot be interrupted, so a turn of the loop begins no more of them when it has
 * spent 2 ms on them: the others wait for the next turn, in their order.
 */
#ifndef NET_TLS_HANDSHAKE_H
#define NET_TLS_HANDSHAKE_H

#include "net/loop.h"
#include "net/tls.h"
#include "net/tls_sites.h"

struct tls_server { /* one for a loop */
    struct loop *loop;
    struct tls_sites *sites;
    struct deferred next;        /* continues with those that wait */
    struct list_node waiting;    /* for a turn of the loop with time */
    struct list_node unfinished; /* all without a handshake yet, as they came */
    unsigned unfinished_count;
    uint64_t turn, turn_us; /* this turn of the loop, and what it has spent on handshakes */
    uint32_t refused[TLS_REFUSALS];
    /* It is the connection's turn: tls_handshake_continue. Of all connections, as who has them sets
     * it. */
    void (*on_turn)(struct tls *);
};

void tls_server_init(struct tls_server *, struct loop *);
void tls_server_dispose(struct tls_server *);
/* From now on handshakes are by these rules, which are borrowed until the next call. */
void tls_server_follow(struct tls_server *, const struct tls_sites_rules *);

/* Of a connection just accepted. Takes what was read of it already; if that is anything,
 * on_turn comes for it. */
struct tls *tls_handshake_new(struct tls_server *, void *owner, struct slice read);
/* Takes what was read. */
void tls_handshake_take(struct tls *, struct slice sealed, struct tls_took *took);
void tls_handshake_continue(struct tls *, struct tls_took *took);
/* If it is not over: it is, and the client learns no more than that. */
void tls_handshake_refuse(struct tls *, enum tls_refusal, const char *why);
/* In any state: nothing of the library, and no turn, is held any more. */
void tls_handshake_stop(struct tls *);
void tls_handshake_free(struct tls *); /* NULL is fine */

#endif
