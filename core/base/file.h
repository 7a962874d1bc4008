/*
 * file - a regular file, and all that it holds. Never waits, as for the writer of a FIFO.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buffer.h"
#include "base/check.h"

/* NULL, or in static words why no file can have that path. Does not look whether there is one. */
const char *file_objection_to(struct slice path);
/* Appends what a regular file holds. 0 or an errno: EFBIG if it has more than
 * most bytes, ENOTSUP if it is neither a file nor a directory (EISDIR). */
int file_read(const char *path, size_t most, struct buffer *) MUST_USE;
/* To be read and closed; *mode becomes that of the file. The same errors. */
int file_open(const char *path, int *file, unsigned *mode) MUST_USE;

#endif
