/*
 * moving - idle connections go from this worker to another one, which serves them on.
 *
 * The client notices nothing: the connection is the same, and what it has sent meanwhile waits in
 * it. Only plain connections of HTTP/1 move, and only between two requests; a busy one moves when
 * its answer is out. A connection over TLS ends with its next answer, which says so; HTTP/2 gets
 * GOAWAY, and a tunnel lasts until it ends.
 */
#ifndef CLIENT_MOVING_H
#define CLIENT_MOVING_H

#include "client/clients.h"

/* The worker drains, and what can move leaves through the socket, which is taken. */
void clients_hand_over(struct clients *, int socket);
/* Takes what has come through the socket, of another worker, by listeners with the same numbers.
 * False: nothing else will come. */
bool clients_take_over(struct clients *, int socket, const struct listener *, unsigned count);

#endif
