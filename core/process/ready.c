#include "process/ready.h"

#include "config/admin.h"
#include "net/address.h"
#include "process/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_MAX_MS = 2000 };

/* Where everybody may connect, this machine may, too: [::] takes IPv4 as well. */
static struct address reachable(struct address to)
{
    bool is_any =
        to.socket.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&to.socket.v6.sin6_addr);

    if (is_any)
        to.socket.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(to.port)};
    if (to.socket.any.sa_family == AF_INET && to.socket.v4.sin_addr.s_addr == htonl(INADDR_ANY))
        to.socket.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return to;
}

/* 0, or an errno. */
static int connects(const struct sockaddr *to)
{
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
    struct pollfd opening = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof error;

    if (fd < 0)
        return errno;
    if (connect(fd, to, address_length(to)) != 0)
        error = errno;
    if (error == EINPROGRESS)
        error = poll(&opening, 1, CONNECT_MAX_MS) == 1 &&
                        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0
                    ? error
                    : ETIMEDOUT;
    close(fd);
    return error;
}

/* Of the first of its addresses, which may tell more than that it accepts connections. */
static int ask_admin(const struct config_admin *admin)
{
    struct options options = {.ask = ASK_READY};
    struct buffer address = {0};
    int status;

    admin_format_listen(&admin->listen[0], &address);
    options.admin = buffer_text(&address);
    status = ask_run(&options);
    buffer_dispose(&address);
    return status;
}

int ready_run(const struct config *config)
{
    const struct config_listen *listen = &config->listen[0];
    struct address to = reachable(listen->address);
    int error;

    if (config->admin.listen_count > 0)
        return ask_admin(&config->admin);
    error = connects(&to.socket.any);
    if (error == 0)
        return 0;
    fprintf(stderr, "lb: not ready: %s does not accept connections: %s\n", listen->text,
            strerror(error));
    return 1;
}
