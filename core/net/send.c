#include "net/send.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel's way with several parts costs more than to copy so few bytes: 250 ns against 50 for
 * a head of 300 bytes and a body of 100. */
enum { JOINED_BYTES_MAX = 4096 };

static ssize_t send_joined(int fd, const uv_buf_t *parts, unsigned count, int flags)
{
    char joined[JOINED_BYTES_MAX];
    size_t length = 0;

    for (unsigned i = 0; i < count; i++) {
        memcpy(joined + length, parts[i].base, parts[i].len);
        length += parts[i].len;
    }
    return send(fd, joined, length, flags);
}

static ssize_t send_apart(int fd, const uv_buf_t *parts, unsigned count, int flags)
{
    /* The two are laid out alike: libuv promises that. */
    const struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};

    return sendmsg(fd, &message, flags);
}

ssize_t send_parts(int fd, const uv_buf_t *parts, unsigned count, size_t total_bytes, bool more)
{
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    ssize_t sent;

    do {
        if (count == 1)
            sent = send(fd, parts->base, parts->len, flags);
        else if (total_bytes <= JOINED_BYTES_MAX)
            sent = send_joined(fd, parts, count, flags);
        else
            sent = send_apart(fd, parts, count, flags);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    return errno == EWOULDBLOCK || errno == ENOBUFS ? UV_EAGAIN : -errno;
}
