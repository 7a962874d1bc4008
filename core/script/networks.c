#include "script/networks.h"

#include <string.h>

enum { CLIENT_BITS = 64 };

const char *networks_parse(struct network *out, const char *text, size_t length)
{
    return network_parse(out, (struct slice){text, length});
}

bool networks_have(const struct network *list, uint32_t count, const char *text, size_t length)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    struct network part;

    if (network_parse(&part, (struct slice){text, length}) != NULL ||
        (memchr(text, '/', length) != NULL && part.prefix != CLIENT_BITS))
        return false;
    memcpy(&address.sin6_addr, part.address, sizeof part.address);
    for (uint32_t i = 0; i < count; i++)
        if (list[i].prefix <= part.prefix && network_has(&list[i], &address))
            return true;
    return false;
}
