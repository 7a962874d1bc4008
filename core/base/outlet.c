#include "base/outlet.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char CUT[] = "...\n";

/* A terminal of another user can still be opened by a name that everybody may use,
 * if it controls this process. */
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

/* The shell may have opened it without. A description of our own would not do: who shares this one
 * (a script that has started us) would write over our lines afterwards. */
static void append_to_file(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_APPEND) == 0)
        (void)fcntl(fd, F_SETFL, flags | O_APPEND);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The kernel's path may be that of another mount namespace, or of a file that was deleted. */
static char *find_path(int fd, const struct stat *status)
{
    char link[32], path[PATH_MAX];
    struct stat there;
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0 || path[0] != '/')
        return NULL;
    path[length] = '\0';
    return stat(path, &there) == 0 && is_same_file(&there, status) ? mem_copy_text(path) : NULL;
}

static enum outlet_kind outlet_kind_of(struct outlet *o, int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return OUTLET_CLOSED;
    o->fd = fd;
    if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))
        return open_own_description(o, fd);
    if (S_ISSOCK(status.st_mode))
        return OUTLET_SOCKET;
    append_to_file(fd);
    o->path = find_path(fd, &status);
    return OUTLET_FILE;
}

void outlet_open(struct outlet *o, int fd)
{
    buffer_clear(&o->pending);
    o->in_line = false;
    o->dropped = 0;
    if (o->kind == OUTLET_CLOSED)
        o->kind = outlet_kind_of(o, fd);
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

static size_t first_line(struct slice text) /* its bytes, with its end */
{
    const char *end = memchr(text.start, '\n', text.length);

    CHECK(end != NULL);
    return (size_t)(end + 1 - text.start);
}

/* Nobody reads any more, or the disk is full: what waits will not be written. But of a line that is
 * half out the rest stays. */
static void drop_pending(struct outlet *o, int error)
{
    struct slice rest = buffer_slice(&o->pending);
    size_t kept = o->in_line ? first_line(rest) : 0;

    o->pending.end = o->pending.start + kept;
    for (size_t at = kept; at < rest.length; o->dropped++)
        at += first_line(slice_from(rest, at));
    o->is_broken = true;
    o->error = error;
}

static uint64_t file_bytes(const struct outlet *o)
{
    struct stat status;

    return fstat(o->fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* Its first part is in a file that was renamed, or was cut off. The rest is no line. */
static void give_up_half(struct outlet *o)
{
    if (!o->in_line)
        return;
    buffer_consume(&o->pending, first_line(buffer_slice(&o->pending)));
    o->in_line = false;
    o->dropped++;
    if (o->half != NULL)
        half_line_end(o->half, o->stream);
}

static void note_written(struct outlet *o, struct slice piece)
{
    bool was_in_line = o->in_line;

    o->in_line = piece.start[piece.length - 1] != '\n';
    o->is_broken = false;
    buffer_consume(&o->pending, piece.length);
    if (o->half == NULL)
        return;
    if (o->in_line)
        o->half_end = file_bytes(o);
    if (o->in_line == was_in_line)
        return;
    if (o->in_line)
        half_line_begin(o->half, o->stream);
    else
        half_line_end(o->half, o->stream);
}

/* Others of our processes write to the same file: theirs, not half of it, may be first. */
static bool is_held_up(struct outlet *o)
{
    if (o->half == NULL || !half_line_is_there(o->half) ||
        !half_line_holds_up(o->half, o->stream, o->fd))
        return false;
    o->error = ENOSPC;
    return true;
}

bool outlet_flush(struct outlet *o)
{
    if (o->half != NULL && o->in_line && file_bytes(o) < o->half_end)
        give_up_half(o);
    while (buffer_length(&o->pending) > 0) {
        struct slice piece = next_piece(o);
        ssize_t written;

        if (is_held_up(o))
            return false;
        written = write_piece(o, piece);
        if (written > 0) {
            note_written(o, (struct slice){piece.start, (size_t)written});
        } else if (written < 0 && errno == EAGAIN) {
            o->error = EAGAIN;
            return false;
        } else if (written == 0 || errno != EINTR) {
            drop_pending(o, written == 0 ? EIO : errno);
            return o->half == NULL || buffer_length(&o->pending) == 0;
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

/* --- opening again --- */

/* A FIFO at that place would wait for its reader, but for O_NONBLOCK. */
enum { OPEN_FLAGS = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };

int outlet_open_file(const char *path)
{
    return open(path, OPEN_FLAGS | O_CREAT, 0666); /* as umask has it, like a shell's > */
}

static int open_at(const char *path, const struct stat *before)
{
    int fd = open(path, OPEN_FLAGS | O_CREAT | O_EXCL, 0600);

    if (fd < 0)
        return errno == EEXIST ? open(path, OPEN_FLAGS | O_CREAT, before->st_mode & 0777) : -1;
    (void)!fchown(fd, before->st_uid, before->st_gid);
    (void)fchmod(fd, before->st_mode & 0777);
    return fd;
}

void outlet_know_path(struct outlet *o, const char *path)
{
    if (o->kind != OUTLET_FILE)
        return;
    mem_free(o->path);
    o->path = mem_copy_text(path);
}

int outlet_reopen(struct outlet *o)
{
    struct stat before, now;
    int fd, error = 0;

    (void)outlet_flush(o);
    if (fstat(o->fd, &before) != 0)
        return errno;
    fd = open_at(o->path, &before);
    if (fd < 0)
        return errno;
    if (fstat(fd, &now) != 0 || !S_ISREG(now.st_mode))
        error = EINVAL;
    else if (!is_same_file(&before, &now) && dup2(fd, o->fd) < 0)
        error = errno;
    close(fd);
    if (error == 0 && !is_same_file(&before, &now))
        give_up_half(o);
    return error;
}

void outlet_close(struct outlet *o)
{
    if (o->kind == OUTLET_OWN)
        close(o->fd);
    buffer_dispose(&o->pending);
    mem_free(o->path);
    *o = (struct outlet){.kind = OUTLET_CLOSED};
}
