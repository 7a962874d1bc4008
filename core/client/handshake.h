/*
 * handshake - the TLS handshake that a connection begins with, if its listener speaks TLS.
 *
 * For this folder. Until it is over the connection counts as silent. A PROXY header comes before
 * it.
 */
#ifndef CLIENT_HANDSHAKE_H
#define CLIENT_HANDSHAKE_H

#include "client/client_inside.h"

/* Takes what came early as its beginning. */
void handshake_begin(struct client *);
void handshake_refuse(struct client *); /* it is over, without success: closes, in a while */
void handshake_late(struct client *);   /* too much time has gone: closes */
bool handshake_give_up_first(struct clients *); /* clients_give_up_handshake */

#endif
