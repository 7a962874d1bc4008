#include "net/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

enum { PIPE_BYTES = 262144 };

bool splice_open(struct splice *splice)
{
    int ends[2];

    if (splice->was_tried)
        return splice->is_open;
    splice->was_tried = true;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* with less it works as well */
    splice->out = ends[0];
    splice->in = ends[1];
    splice->is_open = true;
    return true;
}

void splice_dispose(struct splice *splice)
{
    if (!splice->is_open)
        return;
    close(splice->in);
    close(splice->out);
    splice->is_open = false;
}

static ssize_t splice_move(int from, int to, size_t most_bytes)
{
    ssize_t moved = splice(from, NULL, to, NULL, most_bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    return moved >= 0 ? moved : -errno;
}

ssize_t splice_fill(struct splice *splice, int from, uint64_t most_bytes)
{
    ssize_t moved =
        splice_move(from, splice->in, most_bytes < PIPE_BYTES ? (size_t)most_bytes : PIPE_BYTES);

    if (moved != UV_EINVAL)
        return moved;
    splice_dispose(splice); /* not with this system: it was worth a try */
    return UV_EAGAIN;
}

int splice_drain(struct splice *splice, int to, size_t *left_bytes)
{
    ssize_t moved;

    do {
        moved = splice_move(splice->out, to, *left_bytes);
        *left_bytes -= moved > 0 ? (size_t)moved : 0;
    } while (moved > 0 && *left_bytes > 0);
    return moved < 0 && moved != UV_EAGAIN ? (int)moved : 0;
}

size_t splice_read(struct splice *splice, char *out, size_t most_bytes)
{
    ssize_t got = read(splice->out, out, most_bytes);

    CHECK(got > 0);
    return (size_t)got;
}
