/*
 *   version 1   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 CRLF
 *               PROXY TCP6 2001:db8::1 2001:db8::2 56324 443 CRLF
 *               PROXY UNKNOWN whatever CRLF
 *   version 2   signature (12), version and command, family and transport, length (2), then as much
 *               as length says: source, destination, ports, and TLVs
 */
#include "net/proxy_header.h"

#include "base/decimal.h"
#include "base/ip.h"

#include <stdint.h>
#include <string.h>

enum {
    V1_BYTES_MAX = 107, /* 2.1: with its CRLF */
    SIGNATURE_BYTES = 12,
    V2_BYTES_MIN = 16,
    TLV_BYTES_MIN = 3, /* 2.2: a type and the length of the value */
};

/* 2.2. */
enum { VERSION_2 = 2, COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_NONE, FAMILY_V4, FAMILY_V6, FAMILY_UNIX, FAMILIES };
enum { TRANSPORT_NONE, TRANSPORT_STREAM, TRANSPORT_DATAGRAM, TRANSPORTS };

static const char signature[SIGNATURE_BYTES + 1] = "\r\n\r\n\0\r\nQUIT\n";
static const char wrong_line[] = "a malformed PROXY header of version 1";

static enum proxy_header_step wrong(struct proxy_header *out, const char *why)
{
    out->why = why;
    return PROXY_HEADER_WRONG;
}

static void set_client(struct proxy_header *out, in_port_t port)
{
    out->client.sin6_family = AF_INET6;
    out->client.sin6_port = port;
    out->names_client = true;
}

/* --- version 1 --- */

/* What is there of the bytes begins as the words do, or as they begin. */
static bool may_be(struct slice bytes, struct slice words)
{
    size_t length = bytes.length < words.length ? bytes.length : words.length;

    return length == 0 || memcmp(bytes.start, words.start, length) == 0;
}

static bool take_words(struct slice *rest, struct slice words)
{
    if (rest->length < words.length || !may_be(*rest, words))
        return false;
    *rest = slice_from(*rest, words.length);
    return true;
}

/* Up to the next space, which is taken, too: there is exactly one (2.1). */
static bool take_word(struct slice *rest, struct slice *word)
{
    const char *space = memchr(rest->start, ' ', rest->length);

    if (space == NULL)
        return false;
    *word = (struct slice){rest->start, (size_t)(space - rest->start)};
    *rest = slice_from(*rest, word->length + 1);
    return true;
}

/* Without leading zeros (2.1). */
static bool read_port(struct slice digits, in_port_t *out)
{
    int port = decimal_parse(digits, UINT16_MAX);

    *out = htons((uint16_t)port);
    return port >= 0;
}

/* "192.0.2.1 198.51.100.1 56324 443". */
static bool read_addresses(struct slice text, int family, struct proxy_header *out)
{
    struct slice source, destination, source_port;
    struct in6_addr client, local;
    in_port_t port, local_port;

    if (!take_word(&text, &source) || !take_word(&text, &destination) ||
        !take_word(&text, &source_port) || !ip_read(source, family, &client) ||
        !ip_read(destination, family, &local) || !read_port(source_port, &port) ||
        !read_port(text, &local_port))
        return false;
    if (family == AF_INET)
        ip_map_v4(out->client.sin6_addr.s6_addr, &client);
    else
        out->client.sin6_addr = client;
    set_client(out, port);
    return true;
}

/* The line is complete, without its CRLF. */
static enum proxy_header_step read_line(struct slice line, struct proxy_header *out)
{
    bool is_v4;

    if (!take_words(&line, SLICE("PROXY ")))
        return wrong(out, wrong_line);
    if (take_words(&line, SLICE("UNKNOWN"))) /* what stands behind it means nothing */
        return line.length == 0 || line.start[0] == ' ' ? PROXY_HEADER_WHOLE
                                                        : wrong(out, wrong_line);
    is_v4 = take_words(&line, SLICE("TCP4 "));
    if ((is_v4 || take_words(&line, SLICE("TCP6 "))) &&
        read_addresses(line, is_v4 ? AF_INET : AF_INET6, out))
        return PROXY_HEADER_WHOLE;
    return wrong(out, wrong_line);
}

/* May a byte stand between the word that names the family and the CRLF? */
static bool is_line_byte(char byte, bool is_unknown)
{
    if (is_unknown)
        return byte != '\n' && byte != '\0';
    return byte == ' ' || (byte != '\0' && strchr("0123456789abcdefABCDEF.:", byte) != NULL);
}

/* No line yet: might it become one? */
static bool may_become_line(struct slice bytes)
{
    bool is_unknown = may_be(bytes, SLICE("PROXY UNKNOWN"));
    size_t word = is_unknown ? strlen("PROXY UNKNOWN") : strlen("PROXY TCP4 ");
    bool ends_with_cr;

    if (!is_unknown && !may_be(bytes, SLICE("PROXY TCP4 ")) && !may_be(bytes, SLICE("PROXY TCP6 ")))
        return false;
    if (bytes.length <= word)
        return true;
    if (is_unknown && bytes.start[word] != ' ' && bytes.start[word] != '\r')
        return false;
    ends_with_cr = bytes.start[bytes.length - 1] == '\r';
    for (size_t i = word; i < bytes.length - (ends_with_cr ? 1 : 0); i++)
        if (bytes.start[i] == '\r' || !is_line_byte(bytes.start[i], is_unknown))
            return false;
    return true;
}

/* 2.1: an end that is no CRLF is none, and within 107 bytes there has to be one. */
static enum proxy_header_step read_v1(struct slice bytes, struct proxy_header *out)
{
    struct slice line = {bytes.start, bytes.length < V1_BYTES_MAX ? bytes.length : V1_BYTES_MAX};
    const char *end = memchr(line.start, '\n', line.length);

    if (end == NULL) {
        if (!may_become_line(line))
            return wrong(out, wrong_line);
        return line.length < V1_BYTES_MAX ? PROXY_HEADER_MORE
                                          : wrong(out, "a PROXY header of version 1 that is longer "
                                                       "than 107 bytes");
    }
    out->length = (size_t)(end - line.start) + 1;
    line.length = out->length - 1;
    if (!may_become_line(line) || line.start[line.length - 1] != '\r')
        return wrong(out, wrong_line);
    line.length--;
    return read_line(line, out);
}

/* --- version 2 --- */

static unsigned number_at(struct slice bytes, size_t at)
{
    return (unsigned)(uint8_t)bytes.start[at] << 8 | (uint8_t)bytes.start[at + 1];
}

/* Nothing of them is asked for, but they have to fill what is left (2.2). */
static bool are_tlvs(struct slice rest)
{
    while (rest.length >= TLV_BYTES_MIN) {
        size_t length = TLV_BYTES_MIN + number_at(rest, 1);

        if (length > rest.length)
            return false;
        rest = slice_from(rest, length);
    }
    return rest.length == 0;
}

/* Of source and destination, with their ports. */
static size_t addresses_bytes(unsigned family)
{
    static const size_t bytes[FAMILIES] = {
        [FAMILY_V4] = 2 * 4 + 2 * 2, [FAMILY_V6] = 2 * 16 + 2 * 2, [FAMILY_UNIX] = 2 * 108};

    return bytes[family];
}

/* A unix socket's client has no address that means anything here. */
static void take_client(struct slice addresses, unsigned family, struct proxy_header *out)
{
    in_port_t port;

    if (family == FAMILY_UNIX)
        return;
    if (family == FAMILY_V4)
        ip_map_v4(out->client.sin6_addr.s6_addr, addresses.start);
    else
        memcpy(&out->client.sin6_addr, addresses.start, sizeof out->client.sin6_addr);
    memcpy(&port, addresses.start + (family == FAMILY_V4 ? 2 * 4 : 2 * 16), sizeof port);
    set_client(out, port);
}

/* What is not known yet is not judged. LOCAL is the proxy's own: of the rest only the length counts
 * (2.2). */
static const char *fault_of_v2(struct slice bytes)
{
    unsigned command = bytes.length > 12 ? (uint8_t)bytes.start[12] & 0xf : 0;
    unsigned kinds = bytes.length > 13 && command != COMMAND_LOCAL ? (uint8_t)bytes.start[13] : 0;
    unsigned family = kinds >> 4;

    if (bytes.length > 12 && (uint8_t)bytes.start[12] >> 4 != VERSION_2)
        return "a PROXY header of a version other than 1 and 2";
    if (command > COMMAND_PROXY)
        return "a PROXY header with an unknown command";
    if (family >= FAMILIES || (kinds & 0xf) >= TRANSPORTS)
        return "a PROXY header with an unknown kind of address";
    if (bytes.length < V2_BYTES_MIN)
        return NULL;
    if (number_at(bytes, 14) > PROXY_HEADER_BYTES_MAX - V2_BYTES_MIN)
        return "a PROXY header that is longer than 536 bytes";
    if ((kinds & 0xf) != TRANSPORT_NONE && number_at(bytes, 14) < addresses_bytes(family))
        return "a PROXY header that is shorter than its addresses";
    return NULL;
}

static enum proxy_header_step read_v2(struct slice bytes, struct proxy_header *out)
{
    const char *fault = fault_of_v2(bytes);
    unsigned kinds, family;
    struct slice rest;

    if (fault != NULL)
        return wrong(out, fault);
    if (bytes.length < V2_BYTES_MIN || bytes.length < V2_BYTES_MIN + number_at(bytes, 14))
        return PROXY_HEADER_MORE;
    kinds = (uint8_t)bytes.start[13];
    family = kinds >> 4;
    out->length = V2_BYTES_MIN + number_at(bytes, 14);
    if (((uint8_t)bytes.start[12] & 0xf) == COMMAND_LOCAL || family == FAMILY_NONE ||
        (kinds & 0xf) == TRANSPORT_NONE)
        return PROXY_HEADER_WHOLE;
    rest = (struct slice){bytes.start + V2_BYTES_MIN + addresses_bytes(family),
                          out->length - V2_BYTES_MIN - addresses_bytes(family)};
    if (!are_tlvs(rest))
        return wrong(out, "a PROXY header with a malformed TLV");
    take_client((struct slice){bytes.start + V2_BYTES_MIN, addresses_bytes(family)}, family, out);
    return PROXY_HEADER_WHOLE;
}

enum proxy_header_step proxy_header_read(struct slice bytes, struct proxy_header *out)
{
    struct slice whole = {signature, SIGNATURE_BYTES};

    *out = (struct proxy_header){.why = ""};
    if (bytes.length == 0)
        return PROXY_HEADER_MORE;
    if (may_be(bytes, whole))
        return bytes.length > SIGNATURE_BYTES ? read_v2(bytes, out) : PROXY_HEADER_MORE;
    if (may_be(bytes, SLICE("PROXY ")))
        return read_v1(bytes, out);
    return wrong(out, "no PROXY header");
}
