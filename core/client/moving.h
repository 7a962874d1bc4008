/*
 * moving - idle connections go from this worker to another one, which serves them on.
 *
 * The client notices nothing: the connection is the same, and what it has sent meanwhile waits in
 * it. Only connections of HTTP/1 move, and only between two requests; a busy one moves when its
 * answer is out. Over TLS it moves if its records are our own (net/tls_move.h); else it ends with
 * its next answer, which says so. HTTP/2 gets GOAWAY, and a tunnel lasts until it ends.
 */
#ifndef CLIENT_MOVING_H
#define CLIENT_MOVING_H

#include "client/clients.h"

/* The worker drains, and what can move leaves through the socket, which is taken. takes_tls: the
 * other worker understands what net/tls_move.h writes. */
void clients_hand_over(struct clients *, int socket, bool takes_tls);
/* Takes what has come through the socket, of another worker, by listeners with the same numbers.
 * False: nothing else will come. */
bool clients_take_over(struct clients *, int socket, const struct listener *, unsigned count);

#endif
