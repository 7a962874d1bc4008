#include "base/half_line.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static uint64_t writer_of(unsigned stream)
{
    return (uint64_t)getpid() << 1 | stream;
}

void half_line_begin(struct half_line *half, unsigned stream)
{
    uint64_t none = 0;

    atomic_compare_exchange_strong(&half->writer, &none, writer_of(stream));
}

void half_line_end(struct half_line *half, unsigned stream)
{
    uint64_t ours = writer_of(stream);

    atomic_compare_exchange_strong(&half->writer, &ours, 0);
}

bool half_line_holds_up(struct half_line *half, unsigned stream, int fd)
{
    uint64_t writer = atomic_load(&half->writer), ours = writer_of(stream);
    bool is_ended;

    if (writer == 0 || writer == ours)
        return false;
    if (kill((pid_t)(writer >> 1), 0) == 0 || errno != ESRCH ||
        !atomic_compare_exchange_strong(&half->writer, &writer, ours))
        return true;
    is_ended = write(fd, "\n", 1) == 1;
    atomic_store(&half->writer, is_ended ? 0 : writer); /* else it is tried again */
    return !is_ended;
}
