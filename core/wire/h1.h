/*
 * h1 - bodies as HTTP/1 spells them: pieces as they are, or each in a chunk (RFC 9112, 7.1).
 */
#ifndef WIRE_H1_H
#define WIRE_H1_H

#include "net/stream.h"

void h1_send_body(struct stream *, bool in_chunks, struct slice); /* borrows as stream_add does */
/* The last chunk. trailers: the lines of trailer fields, or empty; borrowed likewise. */
void h1_send_last_chunk(struct stream *, struct slice trailers);

#endif
