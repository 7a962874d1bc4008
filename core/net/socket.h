/*
 * socket - what is done with the descriptor of a connection, and what it is asked.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* One system call. How many bytes the kernel has taken, perhaps fewer than there are, or a negative
 * libuv code; UV_EAGAIN: none now. more: the end follows, and the last bytes wait for it. */
ssize_t socket_send(int fd, const uv_buf_t *parts, unsigned count, size_t total_bytes, bool more);
/* One system call. The number of bytes, 0 at the end, or a negative libuv code; UV_EAGAIN: none
 * are there now. */
ssize_t socket_read(int fd, char *out, size_t most_bytes);

/* Is something to be read at this moment: a byte, an end, or what broke the connection? One system
 * call, and what is there is still to be read. */
enum socket_look { SOCKET_QUIET, SOCKET_BYTES, SOCKET_END, SOCKET_BROKEN };
enum socket_look socket_look(int fd);

/* 0, or the connection's error as a negative libuv code. The kernel reports it once. */
int socket_error(int fd);
/* Has the connection been reset, or given up by the kernel? An end in peace is neither. */
bool socket_is_dead(int fd);
uint32_t socket_unsent(int fd); /* bytes in the kernel that the peer's system has not taken */

/* From now on the kernel asks the peer every few seconds whether it still knows the connection. */
void socket_keep_alive(int fd);
void socket_lose(int fd); /* closing it resets the connection */

#endif
