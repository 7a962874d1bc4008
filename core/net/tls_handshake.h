/*
 * tls_handshake - from the first bytes of a client to a connection that is OPEN.
 *
 * The ClientHello is read whole, and a site is chosen, before the library makes anything for the
 * connection: until then a connection costs only the bytes that it has sent.
 * Then it waits for its turn (net/tls_turns.h).
 */
#ifndef NET_TLS_HANDSHAKE_H
#define NET_TLS_HANDSHAKE_H

#include "net/loop.h"
#include "net/tls.h"
#include "net/tls_sites.h"

struct tls_server { /* one per loop */
    struct loop *loop;
    struct tls_sites *sites;
    bool makes_records;          /* our own, after handshakes that begin from now on */
    struct list_node unfinished; /* all in HELLO, WAITING or SHAKING, the oldest first */
    unsigned unfinished_count;
    uint32_t refused[TLS_REFUSALS];
};

void tls_server_init(struct tls_server *, struct loop *);
void tls_server_dispose(struct tls_server *);
/* From now on handshakes follow these rules, which are borrowed until the next call. */
void tls_server_follow(struct tls_server *, const struct tls_sites_rules *);

/* For a connection just accepted; on_turn calls tls_handshake_continue. read: the bytes read
 * already; if there are any, on_turn comes for them. */
struct tls *tls_handshake_new(struct tls_server *, void *owner, void (*on_turn)(struct tls *),
                              struct slice read);
/* Takes bytes that were read. */
void tls_handshake_take(struct tls *, struct slice sealed, struct tls_took *took);
void tls_handshake_continue(struct tls *, struct tls_took *took);
/* Ends a handshake that is not over. The client gets no alert. */
void tls_handshake_refuse(struct tls *, enum tls_refusal, const char *why);
/* In any state: frees the library's memory, and gives up the turn. */
void tls_handshake_stop(struct tls *);
void tls_handshake_free(struct tls *); /* NULL is fine */

#endif
