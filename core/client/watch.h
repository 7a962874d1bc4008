/*
 * watch - how long a client connection may stay as it is, and whether anybody is there.
 *
 * For this folder. Each connection has one deadline; what it is for follows from the state:
 * client/patience.h.
 */
#ifndef CLIENT_WATCH_H
#define CLIENT_WATCH_H

#include "client/client_inside.h"

void watch_init(struct client *);
bool client_may_read(const struct client *); /* there is room for what comes */
void client_watch(struct client *); /* sets the deadline that the state calls for, from now */
/* The client has shut its sending side and an answer is under way: finds out, from now on, if it
 * is gone. */
void watch_begin_probing(struct client *);
void watch_begin_lingering(struct client *);
void watch_body(struct client *);    /* a piece of the request was read, and more is to come */
void watch_sent(struct client *);    /* more was sent to the client, */
bool watch_drained(struct client *); /* and nothing of it waits any more; false: it is cut */

#endif
