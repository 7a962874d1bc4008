/*
 * splice - a pipe through which bytes go from one socket to another, and nobody copies them.
 *
 * Of a big body only the kernel has to know the bytes: it moves their pages. The pipe is empty
 * between two events; what the other socket does not take is read out of it.
 */
#ifndef NET_SPLICE_H
#define NET_SPLICE_H

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct splice { /* zeros at first */
    int in, out;
    bool is_open, was_tried;
};

/* Opens the pipe when it is first wanted. False: there is none, and bytes are read and written. */
bool splice_open(struct splice *) MUST_USE;
/* From a socket into the empty pipe. The number of bytes, 0 at the end of what is sent, or a
 * negative libuv code; UV_EAGAIN: nothing is there, or the pipe is of no use and closed. */
ssize_t splice_fill(struct splice *, int from, uint64_t most_bytes) MUST_USE;
/* Out of the pipe into a socket; *left_bytes: of those in the pipe, and what it did not take. 0, or
 * a negative libuv code that says why it never will. */
int splice_drain(struct splice *, int to, size_t *left_bytes) MUST_USE;
/* Out of the pipe into memory; there must be something in it. */
size_t splice_read(struct splice *, char *out, size_t most_bytes) MUST_USE;
void splice_dispose(struct splice *);

#endif
