/*
 * early - what a client has sent ahead of its turn, and was read.
 *
 * For this folder. Most connections never have any of it, and then there is no buffer.
 */
#ifndef CLIENT_EARLY_H
#define CLIENT_EARLY_H

#include "client/client.h"

size_t early_bytes(const struct client *);
bool early_has_room(const struct client *); /* for what comes next, whatever that is */
void early_keep(struct client *, struct slice);
void early_drop(struct client *); /* all of it */

#endif
