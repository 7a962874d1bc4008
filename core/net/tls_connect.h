/*
 * tls_connect - the handshake with a server that we have connected to.
 *
 * It begins when its turn has come (net/tls_turns.h), and costs a fraction of a millisecond twice:
 * for the hello, and for the server's answer. If the server takes our last session, less.
 */
#ifndef NET_TLS_CONNECT_H
#define NET_TLS_CONNECT_H

#include "net/loop.h"
#include "net/tls.h"
#include "net/tls_remote.h"

/* on_turn calls tls_connect_continue. Borrows the target, which is set, until tls_stop. */
struct tls *tls_connect_new(struct tls_target *, struct loop *, void *owner,
                            void (*on_turn)(struct tls *));
void tls_connect_take(struct tls *, struct slice sealed, struct tls_took *took);
void tls_connect_continue(struct tls *, struct tls_took *took);
/* The connection has ended, in peace (0) or with a negative libuv code. True: the handshake was
 * under way, and is refused by that. */
bool tls_connect_is_cut(struct tls *, int status);

#endif
