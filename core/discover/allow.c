#include "discover/allow.h"

#include "config/itself.h"

static bool is_link_local(const struct sockaddr *socket)
{
    const void *any = socket;

    if (socket->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)any)->sin_addr.s_addr) >> 16 == 0xa9fe;
    return IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)any)->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)any)->sin6_addr) &&
            ((const struct sockaddr_in6 *)any)->sin6_addr.s6_addr[12] == 169 &&
            ((const struct sockaddr_in6 *)any)->sin6_addr.s6_addr[13] == 254);
}

static bool is_in_networks(const struct config_discovery *d, const struct sockaddr *socket)
{
    const struct sockaddr_in *v4 = (const void *)socket;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (socket->sa_family == AF_INET6) {
        v6 = *(const struct sockaddr_in6 *)(const void *)socket;
    } else {
        v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
        memcpy(&v6.sin6_addr.s6_addr[12], &v4->sin_addr, sizeof v4->sin_addr);
    }
    return network_any_has(d->allow, d->allow_count, &v6);
}

static const char *objection(const struct config *config, const struct address *address)
{
    const struct config_discovery *d = &config->discovery;

    if (itself_is(config, address) != NULL)
        return "that is lb itself";
    if (itself_is_admin(config, address))
        return "that is the admin address of this lb";
    if (address->kind != ADDRESS_IP)
        return NULL;
    if (d->allow_count > 0)
        return is_in_networks(d, &address->socket.any) ? NULL : "it is not in discovery.allow";
    return is_link_local(&address->socket.any)
               ? "link-local addresses are only for a discovery.allow that has them"
               : NULL;
}

bool allow_check(const struct config *config, const struct found_list *list, struct buffer *wrong)
{
    for (unsigned i = 0; i < list->count; i++) {
        struct slice text = list->list[i].address;
        struct address address;
        const char *why;

        if (slice_begins_nocase(text, SLICE("h2c://")))
            text = slice_from(text, 6);
        why = address_parse(&address, text, false);
        if (why == NULL)
            why = objection(config, &address);
        if (why == NULL)
            continue;
        buffer_printf(wrong, "entry %u: address '%.80s': %s", i + 1, list->list[i].address.start,
                      why);
        return false;
    }
    return true;
}
