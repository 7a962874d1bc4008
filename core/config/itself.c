#include "config/itself.h"

#include <ifaddrs.h>

static const struct sockaddr_in6 *as_v6(const struct sockaddr *socket)
{
    return (const void *)socket;
}

static const struct sockaddr_in *as_v4(const struct sockaddr *socket)
{
    return (const void *)socket;
}

static bool same_host(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET)
        return as_v4(a)->sin_addr.s_addr == as_v4(b)->sin_addr.s_addr;
    return a->sa_family == AF_INET6 &&
           memcmp(&as_v6(a)->sin6_addr, &as_v6(b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static bool is_any(const struct sockaddr *socket)
{
    return socket->sa_family == AF_INET ? as_v4(socket)->sin_addr.s_addr == htonl(INADDR_ANY)
                                        : IN6_IS_ADDR_UNSPECIFIED(&as_v6(socket)->sin6_addr);
}

bool itself_is_loopback(const struct sockaddr *socket)
{
    return socket->sa_family == AF_INET
               ? ntohl(as_v4(socket)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
               : IN6_IS_ADDR_LOOPBACK(&as_v6(socket)->sin6_addr);
}

static bool is_of_this_machine(const struct sockaddr *socket)
{
    struct ifaddrs *all;
    bool found = itself_is_loopback(socket);

    if (found || getifaddrs(&all) != 0)
        return found;
    for (const struct ifaddrs *one = all; !found && one != NULL; one = one->ifa_next)
        found = one->ifa_addr != NULL && same_host(one->ifa_addr, socket);
    freeifaddrs(all);
    return found;
}

/* The address that a connection goes to: 0.0.0.0 and localhost are the loopback's. False: a name,
 * or a path. */
static bool find_target(const struct address *address, struct sockaddr_in6 *out)
{
    struct sockaddr *socket = (struct sockaddr *)out;
    const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
    bool is_localhost = address->kind == ADDRESS_NAME &&
                        slice_is_nocase(slice_of(address->host), SLICE("localhost"));

    if (address->kind != ADDRESS_IP && !is_localhost)
        return false;
    memset(out, 0, sizeof *out);
    memcpy(out, &address->socket, is_localhost ? 0 : (size_t)address_length(&address->socket.any));
    if (is_localhost)
        socket->sa_family = AF_INET;
    if (is_any(socket) && socket->sa_family == AF_INET)
        ((struct sockaddr_in *)(void *)out)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (is_any(socket))
        out->sin6_addr = loopback;
    return true;
}

/* [::] takes IPv4 as well, unless there is a line for that with this port (os/sockets.c). */
static bool has_v4_line(const struct config *config, uint16_t port)
{
    for (unsigned i = 0; i < config->listen_count; i++) {
        const struct sockaddr *socket = &config->listen[i].address.socket.any;

        if (socket->sa_family == AF_INET && address_port(socket) == port)
            return true;
    }
    return false;
}

static bool takes(const struct config *config, const struct sockaddr *listen,
                  const struct sockaddr *target, uint16_t port)
{
    if (address_port(listen) != port)
        return false;
    if (!is_any(listen))
        return same_host(listen, target);
    if (listen->sa_family != target->sa_family &&
        (listen->sa_family == AF_INET || has_v4_line(config, port)))
        return false;
    return is_of_this_machine(target);
}

const struct config_listen *itself_is(const struct config *config, const struct address *address)
{
    struct sockaddr_in6 target;

    if (!find_target(address, &target))
        return NULL;
    for (unsigned j = 0; j < config->listen_count; j++)
        if (takes(config, &config->listen[j].address.socket.any, (const struct sockaddr *)&target,
                  address->port))
            return &config->listen[j];
    return NULL;
}

bool itself_is_admin(const struct config *config, const struct address *address)
{
    struct sockaddr_in6 target;
    bool has_target = find_target(address, &target);

    for (unsigned j = 0; j < config->admin.listen_count; j++) {
        const struct address *listen = &config->admin.listen[j];

        if (listen->kind == ADDRESS_UNIX
                ? address->kind == ADDRESS_UNIX && strcmp(address->host, listen->host) == 0
                : has_target && takes(config, &listen->socket.any, (const struct sockaddr *)&target,
                                      address->port))
            return true;
    }
    return false;
}
