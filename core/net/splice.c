/*
 *   from's socket --splice--> pipe --splice--> to's socket
 *                               '----read----> read buffer ----> stream_write
 *
 * The pipe is one for all connections and empty between two calls, like the read
 * buffer: what the socket does not take at once leaves it the second way.
 */
#include "net/splice.h"

#include <fcntl.h>
#include <unistd.h>

enum {
    SPLICE_BYTES = 262144,             /* at a time, and what the pipe holds */
    SPLICE_LEAST = LOOP_READ_BYTES,    /* less is not worth the calls */
    SPLICE_FAST = LOOP_READ_BYTES / 4, /* that came at once: the peer still sends fast */
};

static void splice_open(struct splice *splice)
{
    int ends[2];

    if (splice->was_tried)
        return;
    splice->was_tried = true;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return;                                 /* then bytes are read and written */
    fcntl(ends[1], F_SETPIPE_SZ, SPLICE_BYTES); /* with less it works as well */
    splice->out = ends[0];
    splice->in = ends[1];
    splice->is_open = true;
}

void splice_dispose(struct splice *splice)
{
    if (!splice->is_open)
        return;
    close(splice->in);
    close(splice->out);
    splice->is_open = false;
}

static bool splice_takes(const struct stream *to)
{
    return to->uv.handle.type == UV_TCP && stream_backlog(to) == 0 && to->failure == 0 &&
           !to->is_closing;
}

bool splice_may_pass(struct stream *s)
{
    struct stream *to;

    if (!s->is_fast || s->events->may_pass == NULL || s->uv.handle.type != UV_TCP ||
        s->events->may_pass(s, &to) < SPLICE_LEAST || !splice_takes(to))
        return false;
    splice_open(&s->loop->splice);
    return s->loop->splice.is_open;
}

static ssize_t splice_move(int from, int to, size_t length)
{
    ssize_t moved = splice(from, NULL, to, NULL, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    return moved >= 0 ? moved : -errno;
}

/* The second way out of the pipe; also if writing has failed, as it must be empty then, too. */
static void splice_write_rest(struct stream *to, size_t length)
{
    struct loop *loop = to->loop;

    while (length > 0) {
        ssize_t got = read(loop->splice.out, loop->read_buffer,
                           length < LOOP_READ_BYTES ? length : LOOP_READ_BYTES);
        uv_buf_t part;

        CHECK(got > 0);
        part = uv_buf_init(loop->read_buffer, (unsigned)got);
        stream_write(to, &part, 1);
        length -= (size_t)got;
    }
}

static void splice_write(struct stream *to, size_t length)
{
    ssize_t sent = 0;

    stream_flush(to); /* what was added before goes out before */
    if (splice_takes(to))
        do {
            sent = splice_move(to->loop->splice.out, stream_fd(to), length);
            length -= sent > 0 ? (size_t)sent : 0;
        } while (sent > 0 && length > 0);
    if (sent < 0 && sent != UV_EAGAIN)
        stream_fail(to, (int)sent);
    splice_write_rest(to, length);
}

ssize_t splice_pass(struct stream *s)
{
    struct splice *splice = &s->loop->splice;
    struct stream *to;
    uint64_t most = s->events->may_pass(s, &to);
    ssize_t moved =
        splice_move(stream_fd(s), splice->in, most < SPLICE_BYTES ? (size_t)most : SPLICE_BYTES);

    s->is_fast = moved >= SPLICE_FAST;
    if (moved == UV_EINVAL) { /* not with this system: it was worth a try */
        splice_dispose(splice);
        return UV_EAGAIN;
    }
    if (moved > 0)
        splice_write(to, (size_t)moved);
    return moved != 0 ? moved : UV_EOF;
}
