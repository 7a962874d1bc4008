/*
 * introduction - the PROXY header that a connection begins with, if its listener wants one.
 *
 * For this folder. It is believed from trusted_proxies only, and is never guessed: without a valid
 * header nothing is served. Until it is complete the connection counts as silent.
 */
#ifndef CLIENT_INTRODUCTION_H
#define CLIENT_INTRODUCTION_H

#include "client/client_inside.h"

/* Just accepted: awaits the header, or closes the connection of a peer that is not trusted. */
void introduction_begin(struct client *);
/* More has come, and is in client->early. True: the header was complete and is gone from there, the
 * client is now the one in the header. False: more has to come, or the connection is closed. */
bool introduction_take(struct client *) MUST_USE;
void introduction_end(struct client *);  /* nothing comes any more: closes */
void introduction_late(struct client *); /* too much time has gone: closes */

#endif
