/*
 * websocket - the key of an opening handshake, and the answer that it wants (RFC 6455, 4). Pure.
 *
 * A client of HTTP/2 has no key (RFC 8441, 5), and a backend of HTTP/1.1 asks for one.
 */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include "base/slice.h"

enum { WEBSOCKET_KEY_BYTES = 24, WEBSOCKET_ACCEPT_BYTES = 28 };

void websocket_make_key(char key[WEBSOCKET_KEY_BYTES]); /* a new one each time */
/* What Sec-WebSocket-Accept has to be. */
void websocket_accept(struct slice key, char accept[WEBSOCKET_ACCEPT_BYTES]);

#endif
