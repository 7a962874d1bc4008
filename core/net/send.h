/*
 * send - bytes out of a socket, in one system call.
 */
#ifndef NET_SEND_H
#define NET_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* How many bytes the kernel has taken, perhaps fewer than there are, or a negative libuv code;
 * UV_EAGAIN: none now. more: the end follows at once, and the last bytes wait for it. */
ssize_t send_parts(int fd, const uv_buf_t *parts, unsigned count, size_t total_bytes, bool more);

#endif
