/*
 * tls_move - a connection of TLS 1.3 whose records are our own (net/tls_own.h) goes to another
 * process, which seals and opens its next records.
 *
 * What is written has the keys. So it is written into a vault, is sent over a socket pair alone,
 * and is wiped on both sides. From the moment that it is sent the keys are the other process's: a
 * record that is sealed here as well would have a number that is used twice.
 */
#ifndef NET_TLS_MOVE_H
#define NET_TLS_MOVE_H

#include "base/vault.h"
#include "net/tls_handshake.h"

/* Two programs that give the same number understand each other. */
uint64_t tls_move_format(void);

/* Between two records, with nothing opened that its owner has not got. */
bool tls_may_move(const struct tls *);
/* Will that be so between two requests? */
bool tls_can_move(const struct tls *);
/* Of one that may move. False: the vault has no room, and nothing has changed. */
bool tls_move_out(const struct tls *, struct vault *) MUST_USE;
/* It has been sent: nothing is sealed with its keys here any more. */
void tls_move_forget(struct tls *);
/* Takes what tls_move_out has written from the front. NULL: it makes no sense, or this process
 * cannot make records. For tls_handshake_free. */
struct tls *tls_move_in(struct tls_server *, void *owner, void (*on_turn)(struct tls *),
                        struct slice *bytes) MUST_USE;

#endif
