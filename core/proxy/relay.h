/*
 * relay - pieces of a body to a stream, in the coding that the message there has.
 */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include "http/framing.h"
#include "net/stream.h"

void relay_piece(struct stream *, enum framing, struct slice); /* borrows as stream_add does */
/* trailers: the lines of trailer fields, with a chunked body only; borrowed likewise. */
void relay_end(struct stream *, enum framing, struct slice trailers);

#endif
