/*
 * client - one client connection: request after request, keep-alive, limits.
 *
 * For this folder; the others see clients and incoming.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "client/client_inside.h"

/* Takes the socket. The connection frees itself when it is closed. */
void client_new(struct clients *, const struct listener *, int socket,
                const struct sockaddr_in6 *peer);
void client_drain(struct client *); /* ends after the current answer, or soon if it is idle */
void client_resume_later(struct client *); /* the exchange is over: continues this loop turn */
void client_switch(struct client *);       /* what comes is no HTTP from now on (incoming_switch) */

#endif
