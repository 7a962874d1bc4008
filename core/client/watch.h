/*
 * watch - how long a client connection may stay as it is, and whether anybody is there.
 *
 * For this folder. Each connection has one deadline; what it is for follows from
 * the state, and watch.c has the table.
 */
#ifndef CLIENT_WATCH_H
#define CLIENT_WATCH_H

#include "client/client.h"

/* Between two requests, or before the first; empty lines are no beginning of one. */
bool client_is_resting(const struct client *);
void watch_init(struct client *);
/* The client has shut its sending side and an answer is under way: finds out, from now on, if it
 * is gone. */
void watch_begin_probing(struct client *);
void watch_begin_lingering(struct client *);
void watch_linger(struct client *);  /* the deadline of LINGERING, the first and each next one */
void watch_body(struct client *);    /* a piece of the request was read, and more is to come */
void watch_sent(struct client *);    /* more was sent to the client, */
bool watch_drained(struct client *); /* and nothing of it waits any more; false: it is cut */

#endif
