#include "base/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char CUT[] = "...\n";

/* A terminal that belongs to another user can still be opened by the name that
 * everybody may use, if it is the one that controls this process. */
static enum outlet_kind open_own_description(struct outlet *o, int fd)
{
    const int flags = O_WRONLY | O_NONBLOCK | O_APPEND | O_CLOEXEC | O_NOCTTY;
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    o->fd = open(path, flags);
    if (o->fd < 0 && tcgetpgrp(fd) >= 0)
        o->fd = open("/dev/tty", flags);
    if (o->fd >= 0)
        return OUTLET_OWN;
    o->fd = fd;
    return OUTLET_SHARED;
}

static enum outlet_kind kind_of(struct outlet *o, int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return OUTLET_CLOSED;
    o->fd = fd;
    if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))
        return open_own_description(o, fd);
    return S_ISSOCK(status.st_mode) ? OUTLET_SOCKET : OUTLET_FILE;
}

void outlet_open(struct outlet *o, int fd)
{
    buffer_clear(&o->pending);
    o->in_line = false;
    o->dropped = 0;
    if (o->kind == OUTLET_CLOSED)
        o->kind = kind_of(o, fd);
}

char *outlet_begin(struct outlet *o, size_t room)
{
    return o->kind == OUTLET_CLOSED ? NULL : buffer_reserve(&o->pending, room + 1);
}

void outlet_end(struct outlet *o, size_t length)
{
    char *line = o->pending.bytes + o->pending.end;
    size_t cut = OUTLET_LINE_BYTES_MAX - strlen(CUT);

    if (buffer_length(&o->pending) + length + 1 > OUTLET_PENDING_BYTES_MAX) {
        o->dropped++;
    } else if (length < OUTLET_LINE_BYTES_MAX) {
        line[length] = '\n';
        buffer_grow(&o->pending, length + 1);
    } else {
        while (cut > 0 && ((unsigned char)line[cut] & 0xc0) == 0x80)
            cut--; /* not in the middle of a character */
        memcpy(line + cut, CUT, strlen(CUT));
        buffer_grow(&o->pending, cut + strlen(CUT));
    }
}

void outlet_put(struct outlet *o, struct slice line)
{
    char *out = outlet_begin(o, line.length);

    if (out == NULL)
        return;
    slice_put(out, line);
    outlet_end(o, line.length);
}

/* What to hand to the kernel at once: to a file all there is; else whole lines
 * up to what a pipe takes as one, or the rest of the line that is half out. */
static struct slice next_piece(const struct outlet *o)
{
    struct slice all = buffer_slice(&o->pending);
    const char *end;

    if (o->kind == OUTLET_FILE)
        return all;
    if (o->in_line)
        end = memchr(all.start, '\n', all.length);
    else
        end = memrchr(all.start, '\n', all.length < PIPE_BUF ? all.length : PIPE_BUF);
    CHECK(end != NULL);
    return (struct slice){all.start, (size_t)(end + 1 - all.start)};
}

/* To ask for room first would not do: another process may take it before the
 * write. Somebody may have set the flag back, so it is looked at each time. */
static ssize_t write_shared(int fd, struct slice piece)
{
    struct iovec bytes = {(void *)piece.start, piece.length};
    ssize_t written = pwritev2(fd, &bytes, 1, -1, RWF_NOWAIT);
    int flags;

    if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
        return written;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0))
        return -1;
    return write(fd, piece.start, piece.length);
}

static ssize_t write_piece(const struct outlet *o, struct slice piece)
{
    if (o->kind == OUTLET_SOCKET)
        return send(o->fd, piece.start, piece.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (o->kind == OUTLET_SHARED)
        return write_shared(o->fd, piece);
    return write(o->fd, piece.start, piece.length);
}

/* Nobody reads any more, or the disk is full: what waits will not be written. */
static void drop_pending(struct outlet *o)
{
    struct slice rest = buffer_slice(&o->pending);

    for (const char *c = rest.start; (c = memchr(c, '\n', rest.length)) != NULL;) {
        c++;
        rest.length -= (size_t)(c - rest.start);
        rest.start = c;
        o->dropped++;
    }
    buffer_clear(&o->pending);
    o->in_line = false;
    o->is_broken = true;
}

bool outlet_flush(struct outlet *o)
{
    while (buffer_length(&o->pending) > 0) {
        struct slice piece = next_piece(o);
        ssize_t written = write_piece(o, piece);

        if (written > 0) {
            o->in_line = piece.start[written - 1] != '\n';
            o->is_broken = false;
            buffer_consume(&o->pending, (size_t)written);
        } else if (written < 0 && errno == EAGAIN) {
            return false;
        } else if (written == 0 || errno != EINTR) {
            drop_pending(o);
            return true;
        }
    }
    return true;
}

uint64_t outlet_take_dropped(struct outlet *o)
{
    uint64_t dropped = o->dropped;

    if (buffer_length(&o->pending) > 0 || o->is_broken)
        return 0;
    o->dropped = 0;
    return dropped;
}

void outlet_close(struct outlet *o)
{
    if (o->kind == OUTLET_OWN)
        close(o->fd);
    buffer_dispose(&o->pending);
    *o = (struct outlet){.kind = OUTLET_CLOSED};
}
