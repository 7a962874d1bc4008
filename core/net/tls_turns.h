/*
 * tls_turns - how long handshakes may take in one turn of the loop, and which wait.
 *
 * A handshake takes the CPU for a fraction of a millisecond and cannot be interrupted. So a turn of
 * the loop that has spent 2 ms on handshakes begins no more: the others wait for the next turn, in
 * their order. That holds for clients and for servers that we connect to, together.
 */
#ifndef NET_TLS_TURNS_H
#define NET_TLS_TURNS_H

#include "net/loop.h"
#include "net/tls.h"

/* Has this turn time for one more handshake, and does none wait? */
bool tls_turns_have_time(const struct loop *);
/* The work on a handshake is done; it began then, by the steady clock. Reads the clock again: the
 * time of the event is from before the handshake. */
void tls_turns_note(struct loop *, uint64_t began_us);
/* t->on_turn comes when its turn has come, unless t->turn leaves its list before. */
void tls_turns_await(struct loop *, struct tls *);
void tls_turns_forget(void); /* the loop ends; nobody waits */

#endif
