#include "shared/wake.h"

#include <sys/eventfd.h>
#include <unistd.h>

int wake_make(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void wake_call(int fd)
{
    const uint64_t one = 1;

    if (fd >= 0)
        (void)!write(fd, &one, sizeof one); /* it can only be full: woken, too */
}

void wake_clear(int fd)
{
    uint64_t count;

    if (fd >= 0)
        (void)!read(fd, &count, sizeof count);
}

int wake_open(struct segment *s, unsigned workers)
{
    for (; s->wakes < workers; s->wakes++) {
        int fd = wake_make();

        if (fd < 0)
            return -1;
        s->wake_fds[s->wakes] = fd;
    }
    return 0;
}

int wake_fd(const struct segment *s, unsigned worker)
{
    CHECK(worker < s->wakes);
    return s->wake_fds[worker];
}

void wake_worker(const struct segment *s, unsigned worker)
{
    if (worker < s->wakes)
        wake_call(s->wake_fds[worker]);
}

void wake_hear(const struct segment *s, unsigned worker)
{
    wake_clear(wake_fd(s, worker));
}
