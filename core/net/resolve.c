#include "net/resolve.h"

#include "net/address.h"

#include <netdb.h>

/* Only IPv4 and IPv6 can be connected to, and each address once. */
static unsigned add_address(struct sockaddr_in6 *addresses, unsigned count,
                            const struct sockaddr *found, uint16_t port)
{
    struct sockaddr_in6 one = {0};

    if (found->sa_family == AF_INET)
        memcpy(&one, found, sizeof(struct sockaddr_in));
    else if (found->sa_family == AF_INET6)
        memcpy(&one, found, sizeof one);
    else
        return count;
    address_set_port((struct sockaddr *)&one, port);
    for (unsigned i = 0; i < count; i++)
        if (memcmp(&addresses[i], &one, sizeof one) == 0)
            return count;
    addresses[count] = one;
    return count + 1;
}

static void on_getaddrinfo(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct resolve *r = request->data;
    struct sockaddr_in6 addresses[RESOLVE_ADDRESSES_MAX];
    unsigned count = 0;

    CHECK(r->is_busy);
    if (status == 0)
        for (struct addrinfo *i = found; i != NULL && count < RESOLVE_ADDRESSES_MAX; i = i->ai_next)
            count = add_address(addresses, count, i->ai_addr, r->port);
    uv_freeaddrinfo(found);
    if (status == 0 && count == 0)
        status = UV_EAI_NODATA;
    r->is_busy = false;
    r->on_resolved(r, addresses, count, status);
}

/* Without AI_ADDRCONFIG: it asks whether the machine has an IPv4 or IPv6 address
 * besides loopback, and where it has just one kind, "localhost" would lead to
 * that kind of loopback only. The price is an AAAA query that may be of no use;
 * an address without a route fails at once when it is tried, and the C library
 * lists those last. */
int resolve_start(struct resolve *r, struct loop *loop, const char *host, uint16_t port)
{
    struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int status;

    CHECK(!r->is_busy);
    r->port = port;
    r->request.data = r;
    status = uv_getaddrinfo(&loop->uv, &r->request, on_getaddrinfo, host, NULL, &wanted);
    r->is_busy = status == 0;
    return status;
}
