/*
 * splice - bytes from one connection to another that nobody looks at, and nobody copies.
 *
 * Of a big body only the kernel has to know the bytes: it moves their pages through a
 * pipe. The owner of the stream that is read says how many bytes may go, and where to
 * (may_pass in net/stream.h); it is asked only while the peer sends faster than we
 * read. To where they go that is a write like any other: what the kernel does not take
 * is queued.
 */
#ifndef NET_SPLICE_H
#define NET_SPLICE_H

#include "net/stream.h"

/* Is what is there to be read now for splice_pass? Else it is to be read. */
bool splice_may_pass(struct stream *);
/* After a true splice_may_pass, when there is something to be read. The number of bytes that
 * were written or queued; or, as reading would tell, a negative libuv code: UV_EOF, what broke
 * the connection, or UV_EAGAIN if there was nothing. */
ssize_t splice_pass(struct stream *) MUST_USE;
void splice_dispose(struct splice *); /* for net/loop.c */

#endif
