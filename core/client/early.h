/*
 * early - what a client has sent ahead of its turn, and was read.
 *
 * For this folder. Most connections never have any of it, and then there is no buffer.
 */
#ifndef CLIENT_EARLY_H
#define CLIENT_EARLY_H

#include "client/client_inside.h"

static inline size_t early_bytes(const struct client *c)
{
    return c->early != NULL ? buffer_length(c->early) : 0;
}

bool early_has_room_behind(const struct client *);        /* what is there already */
static inline bool early_has_room(const struct client *c) /* for what comes next, whatever it is */
{
    return c->early == NULL || early_has_room_behind(c);
}

void early_keep(struct client *, struct slice);
void early_drop(struct client *); /* all of it */

#endif
