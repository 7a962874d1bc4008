/*
 * clients - all client connections of a worker: accepting, draining, closing.
 *
 * An idle connection owns no buffer. What a client sends ahead of its turn is kept
 * up to one read, then it has to wait. A connection that is one too many of its address
 * (limits.per_client) is refused by the answer to its first request, or at once if many are.
 */
#ifndef CLIENT_CLIENTS_H
#define CLIENT_CLIENTS_H

#include "client/clients_inside.h"

void clients_init(struct clients *);
/* The settings of another script hold from now on, for connections that are there, too; but none
 * is refused that was accepted. Borrows them until the next call. */
void clients_follow(struct clients *, const struct config *);
void clients_dispose(struct clients *); /* when count is 0 */
/* Takes the socket, of a connection that has come by this listener, which outlives it. */
void clients_accept(struct clients *, const struct listener *, int socket,
                    const struct sockaddr_in6 *peer);
/* Something has run out: closes a connection that nobody would miss, without an answer. All of it
 * but its memory is free at once. False: there is none now; for a moment a connection that has just
 * come, or has just been answered, is left in peace. */
bool clients_give_up(struct clients *);
/* For when too many TLS handshakes are unfinished: closes the client that came first, if an honest
 * client would have finished by now. False: it stays. */
bool clients_give_up_handshake(struct clients *);
void clients_tick(struct clients *); /* each second: gives back what that second had no use for */
/* Closes idle ones now and the others after their current answer. */
void clients_drain(struct clients *);
void clients_close_all(struct clients *); /* whatever they are doing */

#endif
