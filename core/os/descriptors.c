#include "os/descriptors.h"

#include "base/mem.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    OF_THE_LOG = 2, /* base/outlet.c opens a pipe anew */
    OF_A_LOOP = 8,  /* libuv's: a spare for when there are no more, and from 1.45 on an io_uring */
    OF_A_REQUEST = 2, /* a client and a backend */
    OF_A_BIND = 1,    /* sockets.c looks with a socket of its own whether a port is free */
    OF_A_CHANNEL = 1, /* at each end */
};

/* Besides the descriptors that are open now. A worker closes one of these: the one for signals. */
static unsigned descriptors_wanted(const struct config *c)
{
    unsigned worker = OF_A_LOOP + c->listen_count + OF_A_CHANNEL + OF_A_REQUEST - 1;
    unsigned supervisor = c->workers * (c->listen_count + OF_A_CHANNEL) + OF_A_BIND;

    return OF_THE_LOG + (worker > supervisor ? worker : supervisor);
}

/* How many of them can be opened. Not counted from the limit, as some may have been open when lb
 * was started. */
static unsigned descriptors_free(unsigned wanted)
{
    int *opened = mem_alloc(wanted * sizeof *opened);
    unsigned count = 0;

    while (count < wanted && (opened[count] = dup(STDERR_FILENO)) >= 0)
        count++;
    for (unsigned i = 0; i < count; i++)
        close(opened[i]);
    mem_free(opened);
    return count;
}

bool descriptors_raise(const struct config *config, struct buffer *error)
{
    unsigned wanted = descriptors_wanted(config), found;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return true;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    found = descriptors_free(wanted);
    if (found == wanted)
        return true;
    buffer_printf(
        error, "the limit of %llu open files (ulimit -n) is too low: %u worker%s need%s %llu",
        (unsigned long long)limit.rlim_cur, config->workers, config->workers == 1 ? "" : "s",
        config->workers == 1 ? "s" : "", (unsigned long long)(limit.rlim_cur + wanted - found));
    return false;
}
