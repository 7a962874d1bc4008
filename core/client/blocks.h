/*
 * blocks - the memory of requests: one block for each incoming, kept for the next.
 *
 * For this folder.
 */
#ifndef CLIENT_BLOCKS_H
#define CLIENT_BLOCKS_H

#include "client/client_inside.h"

void incoming_new(struct client *);     /* a request begins: client->incoming */
void incoming_empty(struct incoming *); /* only how it ended is asked from now on */
void incoming_free(struct client *);
void blocks_free(struct clients *, unsigned kept); /* the spare ones, but so many */

#endif
