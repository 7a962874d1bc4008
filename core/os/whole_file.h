/*
 * whole_file - a file that is there as a whole, or as it was before.
 *
 * It is for this user only. What is written goes to PATH.new, to the disk, and then to its place.
 */
#ifndef OS_WHOLE_FILE_H
#define OS_WHOLE_FILE_H

#include "base/buffer.h"

/* 0, or -1 and errno. */
int whole_file_write(const char *path, struct slice) MUST_USE;
/* Behind what the buffer has. EPERM: it is another user's. EFBIG: it has more than most bytes.
 * EINVAL: it is a pipe or the like. */
int whole_file_read(const char *path, size_t most, struct buffer *) MUST_USE;
/* May it be written there? Writes nothing. */
int whole_file_check(const char *path) MUST_USE;

#endif
