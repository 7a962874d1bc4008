/*
 * resting - connections that wait for a request, and which of them goes first.
 *
 * For this folder. When something has run out, a connection that nobody would miss makes room.
 */
#ifndef CLIENT_RESTING_H
#define CLIENT_RESTING_H

#include "client/client_inside.h"

/* Between two requests, or before the first; empty lines are no beginning of one. */
bool client_is_resting(const struct client *);
/* It rests, or leaves, from now on: the last of that list. */
void resting_note(struct client *, enum clients_list);
/* The connection that nobody would miss, or NULL (clients_give_up). */
struct client *resting_first_to_go(struct clients *);

#endif
