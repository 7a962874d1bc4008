/*
 * states - the states of a client connection, and how it ends.
 *
 * For this folder. states.c has the picture.
 */
#ifndef CLIENT_STATES_H
#define CLIENT_STATES_H

#include "client/client_inside.h"

void client_enter(struct client *, enum client_state); /* the one way to another state */
void client_take_place(struct client *);               /* it was accepted: the first of all */
/* Calls on_gone of the exchange, if there is one; the connection frees itself. The peer sees a
 * reset if it could take an end for that of the answer. */
void client_close(struct client *);
void client_reset(struct client *);     /* the same, and the peer sees a reset */
void client_on_closed(struct stream *); /* the last event of its stream: frees it */
/* There is no valid head, and will be none: it is answered with an error, if at all. */
void client_fail_head(struct client *, enum incoming_fault, const char *text);

#endif
