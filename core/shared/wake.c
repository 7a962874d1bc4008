#include "shared/wake.h"

#include <sys/eventfd.h>
#include <unistd.h>

int wake_open(struct segment *s, unsigned workers)
{
    for (; s->wakes < workers; s->wakes++) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

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
    const uint64_t one = 1;

    if (worker < s->wakes)
        (void)!write(s->wake_fds[worker], &one, sizeof one); /* it can only be full: woken, too */
}

void wake_hear(const struct segment *s, unsigned worker)
{
    uint64_t count;

    (void)!read(wake_fd(s, worker), &count, sizeof count);
}
