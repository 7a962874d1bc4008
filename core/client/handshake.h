/*
 * handshake - the TLS handshake that a connection begins with, if its listener speaks TLS.
 *
 * For this folder. Until the handshake is over, the connection counts as silent. A PROXY header
 * comes before the handshake.
 */
#ifndef CLIENT_HANDSHAKE_H
#define CLIENT_HANDSHAKE_H

#include "client/client_inside.h"

/* The bytes that have come already are the beginning of the handshake. */
void handshake_begin(struct client *);
void handshake_refuse(struct client *); /* the handshake has failed: closes the client in a while */
void handshake_late(struct client *);   /* timeouts.tls_handshake has passed: closes the client */
bool handshake_give_up_first(struct clients *); /* clients_give_up_handshake */

#endif
