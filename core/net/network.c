/*
 * network - read strictly: a text that could mean something else is refused, with a better one.
 *
 * All is kept as IPv6, IPv4 in its v4-mapped corner: there a prefix has 96 bits more. A network
 * that is larger than the corner has IPv6 addresses only: "::/0" trusts nobody who has an IPv4
 * address.
 */
#include "net/network.h"

#include "base/decimal.h"
#include "base/ip.h"

#include <string.h>

enum { V4_BITS = 32, V6_BITS = 128, MAPPED_BITS = V6_BITS - V4_BITS, CLIENT_BITS = 64 };

static bool is_v4(const uint8_t address[16])
{
    return memcmp(address, ip_mapped, sizeof ip_mapped) == 0;
}

/* "1.2.3.4" or "::1", nothing around it. */
static bool parse_address(uint8_t out[16], struct slice text)
{
    uint8_t v4[4];

    if (ip_read(text, AF_INET6, out))
        return true;
    if (!ip_read(text, AF_INET, v4))
        return false;
    ip_map_v4(out, v4);
    return true;
}

static bool has_bits_beyond(const struct network *network)
{
    for (unsigned bit = network->prefix; bit < V6_BITS; bit++)
        if ((network->address[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return true;
    return false;
}

const char *network_parse(struct network *out, struct slice text)
{
    struct slice whole = slice_trim(text), digits = whole;
    struct slice address = slice_take_until(&digits, '/');
    bool as_v4;
    int prefix;

    if (!parse_address(out->address, address))
        return "expected an address or a network, as in 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32";
    as_v4 = memchr(address.start, ':', address.length) == NULL;
    prefix = as_v4 ? V4_BITS : V6_BITS;
    if (address.length < whole.length)
        prefix = decimal_parse(digits, prefix);
    if (prefix < 0)
        return as_v4 ? "expected a prefix from 0 to 32 behind the slash"
                     : "expected a prefix from 0 to 128 behind the slash";
    out->prefix = (uint8_t)(as_v4 ? prefix + MAPPED_BITS : prefix);
    if (has_bits_beyond(out))
        return "bits beyond the prefix are set: expected zeros there, as in 10.0.0.0/8";
    return NULL;
}

void network_format(struct buffer *out, const struct network *network)
{
    bool as_v4 = network->prefix >= MAPPED_BITS && is_v4(network->address);
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop(as_v4 ? AF_INET : AF_INET6, network->address + (as_v4 ? sizeof ip_mapped : 0), text,
              sizeof text);
    buffer_printf(out, "%s/%d", text, as_v4 ? network->prefix - MAPPED_BITS : network->prefix);
}

static bool has_address(const struct network *network, const uint8_t address[16])
{
    unsigned whole = network->prefix / 8u;
    unsigned rest = network->prefix % 8u;

    if (network->prefix < MAPPED_BITS && is_v4(address))
        return false;
    if (memcmp(network->address, address, whole) != 0)
        return false;
    return rest == 0 || (network->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

/* False for what is no address. */
static bool take_bytes(uint8_t out[16], const struct sockaddr_in6 *address)
{
    if (address->sin6_family == AF_INET)
        ip_map_v4(out, &((const struct sockaddr_in *)(const void *)address)->sin_addr);
    else if (address->sin6_family == AF_INET6)
        memcpy(out, &address->sin6_addr, 16);
    else
        return false;
    return true;
}

bool network_has(const struct network *network, const struct sockaddr_in6 *address)
{
    uint8_t bytes[16];

    return take_bytes(bytes, address) && has_address(network, bytes);
}

bool network_list_has(const struct network *list, uint32_t count, const char *text, size_t length)
{
    struct network part;

    if (network_parse(&part, (struct slice){text, length}) != NULL ||
        (memchr(text, '/', length) != NULL && part.prefix != CLIENT_BITS))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (list[i].prefix <= part.prefix && has_address(&list[i], part.address))
            return true;
    return false;
}

void network_of_client(struct network *out, const struct sockaddr_in6 *address)
{
    *out = (struct network){.prefix = V6_BITS};
    if (!take_bytes(out->address, address) || is_v4(out->address) ||
        IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr))
        return;
    out->prefix = CLIENT_BITS;
    memset(out->address + CLIENT_BITS / 8, 0, sizeof out->address - CLIENT_BITS / 8);
}

bool network_any_has(const struct network *list, unsigned count, const struct sockaddr_in6 *address)
{
    for (unsigned i = 0; i < count; i++)
        if (network_has(&list[i], address))
            return true;
    return false;
}

static bool is_port_suffix(struct slice text)
{
    return text.length > 1 && text.start[0] == ':' &&
           decimal_parse(slice_from(text, 1), UINT16_MAX) >= 0;
}

/* Takes the address off the text; the rest begins behind it. Only IPv6 is written in brackets,
 * and without them only IPv4 can have a port. */
static struct slice cut_address(struct slice *text)
{
    struct slice address = *text;
    bool has_brackets = text->length > 0 && text->start[0] == '[';
    const char *end =
        text->length > 0 ? memchr(text->start, has_brackets ? ']' : ':', text->length) : NULL;
    size_t used = text->length;

    if (has_brackets && end != NULL) {
        used = (size_t)(end - text->start) + 1;
        address = (struct slice){text->start + 1, used - 2};
        if (memchr(address.start, ':', address.length) == NULL)
            address.length = 0;
    } else if (end != NULL && memchr(text->start, '.', (size_t)(end - text->start)) != NULL) {
        used = address.length = (size_t)(end - text->start);
    }
    *text = slice_from(*text, used);
    return address;
}

bool network_read_address(struct slice text, struct sockaddr_in6 *out)
{
    struct slice address = cut_address(&text);

    *out = (struct sockaddr_in6){.sin6_family = AF_INET6};
    return (text.length == 0 || is_port_suffix(text)) &&
           parse_address(out->sin6_addr.s6_addr, address);
}
