/*
 * resting - connections that wait for a request, and which of them goes first.
 *
 * For this folder. When something has run out, one that nobody would miss makes room.
 */
#ifndef CLIENT_RESTING_H
#define CLIENT_RESTING_H

#include "client/client_inside.h"

/* Between two requests, or before the first; empty lines are no beginning of one. */
bool client_is_resting(const struct client *);
/* It rests, or leaves, from now on: the last of that list. */
void resting_note(struct client *, enum clients_list);
/* The one that nobody would miss, or NULL. One that has just come, or has just been answered, is
 * left in peace for a moment. */
struct client *resting_first_to_go(struct clients *);

#endif
