#include "os/inherited.h"

#include "net/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 3 }; /* systemd's descriptors begin there */

/* In a process that was started by the one that they are for, they are somebody else's. */
static unsigned count_from_environment(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    unsigned long given = count != NULL ? strtoul(count, NULL, 10) : 0;

    if (pid == NULL || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    return given < INHERITED_MAX ? (unsigned)given : INHERITED_MAX;
}

void inherited_open(struct inherited *in)
{
    *in = (struct inherited){.count = count_from_environment(), .names = getenv("LISTEN_FDNAMES")};
    for (unsigned i = 0; i < in->count; i++) {
        int fd = FIRST + (int)i, flags = fcntl(fd, F_GETFL), on = 1;

        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

/* False if it is no TCP socket that listens. */
static bool name_of(int fd, struct sockaddr_in6 *name)
{
    int kind = 0, listens = 0;
    socklen_t length = sizeof *name, size = sizeof kind;

    *name = (struct sockaddr_in6){.sin6_family = AF_UNSPEC};
    return getsockname(fd, (struct sockaddr *)name, &length) == 0 &&
           (name->sin6_family == AF_INET || name->sin6_family == AF_INET6) &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

static bool is_same(const struct sockaddr *a, const struct sockaddr *b)
{
    const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
    const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

    if (a->sa_family != b->sa_family || address_port(a) != address_port(b))
        return false;
    return a->sa_family == AF_INET ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
                                   : memcmp(&a6->sin6_addr, &b6->sin6_addr, 16) == 0;
}

int inherited_take(struct inherited *in, const struct sockaddr *at)
{
    for (unsigned i = 0; i < in->count; i++) {
        struct sockaddr_in6 name;

        if (in->is_taken[i] || !name_of(FIRST + (int)i, &name) ||
            !is_same((struct sockaddr *)&name, at))
            continue;
        in->is_taken[i] = true;
        return FIRST + (int)i;
    }
    return -1;
}

static void write_name(const struct inherited *in, unsigned which, struct buffer *error)
{
    const char *name = in->names;

    for (unsigned i = 0; i < which && name != NULL; i++) {
        name = strchr(name, ':');
        name = name != NULL ? name + 1 : NULL;
    }
    if (name != NULL && strcspn(name, ":") > 0)
        buffer_printf(error, " ('%.*s')", (int)strcspn(name, ":"), name);
}

static void explain(const struct inherited *in, unsigned which, struct buffer *error)
{
    struct sockaddr_in6 name;

    buffer_printf(error, "systemd hands over a socket, descriptor %u", FIRST + which);
    write_name(in, which, error);
    if (name_of(FIRST + (int)which, &name)) {
        buffer_append_text(error, ", for ");
        address_format(error, (struct sockaddr *)&name);
        buffer_append_text(error, ", where lb is not to listen: add that address to listen, or "
                                  "take it out of the .socket unit");
    } else {
        buffer_append_text(error, ", which is none that listens for TCP: take it out of the "
                                  ".socket unit");
    }
}

bool inherited_are_left(struct inherited *in, struct buffer *error)
{
    bool are_left = false;

    for (unsigned i = 0; i < in->count; i++) {
        if (in->is_taken[i])
            continue;
        if (!are_left)
            explain(in, i, error);
        are_left = true;
        close(FIRST + (int)i);
    }
    return are_left;
}
