/*
 * passing - messages between two processes, with descriptors in them (unix(7), SCM_RIGHTS).
 */
#ifndef OS_PASSING_H
#define OS_PASSING_H

#include "base/check.h"

#include <stddef.h>
#include <sys/types.h>

enum { PASSING_MOST = 250 }; /* descriptors of a message; the kernel takes 253 */

/* Two ends. 0, or -1 and errno. */
int passing_pair(int ends[2]) MUST_USE;
/* A message of 1 byte or more, which arrives whole or not at all. The descriptors stay open here,
 * too. 0, or -errno: -EAGAIN if it has no room now. */
int passing_send(int to, const void *bytes, size_t length, const int *fds, unsigned count) MUST_USE;
/* How many bytes, 0 at the end, or -errno: -EAGAIN if there is none now. Descriptors that find no
 * room in this process are lost: *count says how many have come. */
ssize_t passing_receive(int from, void *bytes, size_t most, int fds[PASSING_MOST],
                        unsigned *count) MUST_USE;

#endif
