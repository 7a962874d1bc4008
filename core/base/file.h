/*
 * file - a whole file at once.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buffer.h"
#include "base/check.h"

/* Appends what a regular file holds. 0 or an errno: EFBIG if it has more than
 * most bytes, ENOTSUP if it is neither a file nor a directory (EISDIR). Never
 * waits, as for the writer of a FIFO. */
int file_read(const char *path, size_t most, struct buffer *) MUST_USE;

#endif
