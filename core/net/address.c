/*
 * address - text is taken strictly: what two readers could understand
 * differently (a short IPv4 address, an IPv6 address without brackets, a port
 * with a sign) is refused with the way out.
 */
#include "net/address.h"

#include "base/decimal.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { HOST_BYTES_MAX = 253, LABEL_BYTES_MAX = 63, PORT_MAX = 65535, IP_TEXT_BYTES = 64 };

static bool is_label_byte(char c)
{
    return ascii_is_alphanumeric(c) || c == '-' || c == '_';
}

static bool has_byte(struct slice s, char byte)
{
    return s.length > 0 && memchr(s.start, byte, s.length) != NULL;
}

static void set_host(struct address *out, struct slice host)
{
    memcpy(out->host, host.start, host.length);
    out->host[host.length] = '\0';
}

static const char *parse_scheme(struct slice *text)
{
    if (slice_begins_nocase(*text, SLICE("https://")))
        return "https:// is not possible here";
    if (slice_begins_nocase(*text, SLICE("http://")))
        *text = slice_from(*text, 7);
    for (size_t i = 0; i + 2 < text->length; i++)
        if (memcmp(text->start + i, "://", 3) == 0)
            return "unknown scheme: expected host:port, with http:// in front at most";
    return NULL;
}

static const char *parse_unix(struct address *out, struct slice path)
{
    if (path.length < 2 || path.start[0] != '/')
        return "expected unix: and an absolute path, as in unix:/run/app.sock";
    if (path.length >= sizeof out->socket.path.sun_path)
        return "the path of a unix socket has 107 bytes at most";
    if (has_byte(path, '\0'))
        return "a path has no NUL byte in it";
    out->kind = ADDRESS_UNIX;
    set_host(out, path);
    out->socket.path.sun_family = AF_UNIX;
    memcpy(out->socket.path.sun_path, path.start, path.length);
    return NULL;
}

static const char *parse_port(struct address *out, struct slice digits, bool any_port)
{
    int port;
    const char *wrong =
        any_port ? "expected a port from 0 to 65535" : "expected a port from 1 to 65535";

    if (digits.length == 0)
        return "the port is missing: expected host:port";
    if (has_byte(digits, '/'))
        return "a path behind the port is not possible: expected host:port alone";
    port = decimal_parse(digits, PORT_MAX);
    if (port < (any_port ? 0 : 1))
        return wrong;
    out->port = (uint16_t)port;
    return NULL;
}

static const char *parse_v6(struct address *out, struct slice host)
{
    if (has_byte(host, '%'))
        return "an IPv6 zone (%eth0) is not supported";
    if (host.length == 0 || host.length >= INET6_ADDRSTRLEN || has_byte(host, '\0'))
        return "expected an IPv6 address between the brackets";
    set_host(out, host);
    if (inet_pton(AF_INET6, out->host, &out->socket.v6.sin6_addr) != 1)
        return "expected an IPv6 address between the brackets";
    out->kind = ADDRESS_IP;
    out->socket.v6.sin6_family = AF_INET6;
    return NULL;
}

static const char *check_name(struct slice host)
{
    size_t label = 0;

    if (host.length > HOST_BYTES_MAX)
        return "a host name has 253 bytes at most";
    for (size_t i = 0; i < host.length; i++) {
        if (host.start[i] == '.') {
            if (label == 0)
                return "expected a host name, without empty parts between its dots";
            label = 0;
        } else if (!is_label_byte(host.start[i])) {
            return "a host has only letters, digits, '-', '_' and '.'";
        } else if (++label > LABEL_BYTES_MAX) {
            return "a part of a host name has 63 bytes at most";
        }
    }
    return NULL;
}

/* "127.1" and "1.2.3.4.5" are names to some resolvers and addresses to others. */
static bool looks_like_v4(struct slice host)
{
    size_t at = host.length;

    if (at > 0 && host.start[at - 1] == '.')
        at--;
    while (at > 0 && ascii_is_digit(host.start[at - 1]))
        at--;
    return at < host.length && ascii_is_digit(host.start[at]) &&
           (at == 0 || host.start[at - 1] == '.');
}

static const char *parse_host(struct address *out, struct slice host)
{
    const char *wrong = check_name(host);

    if (wrong != NULL)
        return wrong;
    set_host(out, host);
    out->kind = ADDRESS_NAME;
    if (!looks_like_v4(host))
        return NULL;
    if (inet_pton(AF_INET, out->host, &out->socket.v4.sin_addr) != 1)
        return "expected an IPv4 address of four numbers from 0 to 255, or a name";
    out->kind = ADDRESS_IP;
    out->socket.v4.sin_family = AF_INET;
    return NULL;
}

static const char *parse_bracketed(struct address *out, struct slice text, bool any_port)
{
    const char *bracket = memchr(text.start, ']', text.length);
    const char *wrong;
    size_t end;

    if (bracket == NULL)
        return "the ']' behind the IPv6 address is missing";
    end = (size_t)(bracket - text.start);
    wrong = parse_v6(out, (struct slice){text.start + 1, end - 1});
    if (wrong != NULL)
        return wrong;
    if (end + 1 == text.length || text.start[end + 1] != ':')
        return "the port is missing: expected [address]:port";
    return parse_port(out, slice_from(text, end + 2), any_port);
}

static const char *parse_plain(struct address *out, struct slice text, bool any_port)
{
    const char *colon = memchr(text.start, ':', text.length);
    struct slice behind;
    const char *wrong;

    if (has_byte(text, ' ') && colon != NULL &&
        has_byte(slice_from(text, (size_t)(colon - text.start) + 1), ':'))
        return "a space is in it: separate addresses by commas";
    if (colon == NULL)
        return has_byte(text, '/') ? "expected host:port alone, or unix:/path"
                                   : "the port is missing: expected host:port";
    behind = slice_from(text, (size_t)(colon - text.start) + 1);
    if (has_byte(text, '@'))
        return "a user name is not possible: expected host:port alone";
    if (has_byte(behind, ':') && !has_byte(behind, '/'))
        return "an IPv6 address needs brackets: [::1]:80";
    if (colon == text.start)
        return "the host is missing: expected host:port";
    wrong = parse_host(out, (struct slice){text.start, (size_t)(colon - text.start)});
    return wrong != NULL ? wrong : parse_port(out, behind, any_port);
}

/* Each with a port. */
static bool has_two_lines(struct slice text)
{
    const char *line = memchr(text.start, '\n', text.length);
    size_t first = line != NULL ? (size_t)(line - text.start) : 0;

    return has_byte((struct slice){text.start, first}, ':') &&
           has_byte(slice_from(text, first), ':');
}

const char *address_parse(struct address *out, struct slice text, bool any_port)
{
    const char *wrong;

    memset(out, 0, sizeof *out);
    text = slice_trim(text);
    if (has_byte(text, ';') && !slice_begins_nocase(text, SLICE("unix:")))
        return "a semicolon is in it: separate addresses by commas";
    if (has_two_lines(text))
        return "a line end is in it: separate addresses by commas";
    wrong = parse_scheme(&text);
    if (wrong != NULL)
        return wrong;
    if (text.length == 0)
        return "expected host:port, found nothing";
    if (slice_begins_nocase(text, SLICE("unix:")))
        return parse_unix(out, slice_from(text, 5));
    wrong = text.start[0] == '[' ? parse_bracketed(out, text, any_port)
                                 : parse_plain(out, text, any_port);
    if (wrong == NULL && out->kind == ADDRESS_IP)
        address_set_port(&out->socket.any, out->port);
    return wrong;
}

/* A bound unix socket has a name; the other end of a connection has none. */
bool address_parse_ip(struct sockaddr_in6 *out, struct slice text, uint16_t port)
{
    bool has_colon = has_byte(text, ':'), is_bare = has_colon && text.start[0] != '[';
    char whole[IP_TEXT_BYTES];
    struct address address;

    for (unsigned with_port = 0; with_port < 2; with_port++) {
        int length = with_port == 0
                         ? snprintf(whole, sizeof whole, is_bare ? "[%.*s]:%u" : "%.*s:%u",
                                    (int)text.length, text.start, port)
                         : snprintf(whole, sizeof whole, "%.*s", (int)text.length, text.start);

        if (text.length >= sizeof whole || length >= (int)sizeof whole ||
            address_parse(&address, slice_of(whole), false) != NULL || address.kind != ADDRESS_IP)
            continue;
        memset(out, 0, sizeof *out);
        memcpy(out, &address.socket.any, address_length(&address.socket.any));
        return true;
    }
    return false;
}

socklen_t address_length(const struct sockaddr *socket)
{
    switch (socket->sa_family) {
    case AF_INET:
        return sizeof(struct sockaddr_in);
    case AF_INET6:
        return sizeof(struct sockaddr_in6);
    case AF_UNIX:
        return sizeof(struct sockaddr_un);
    default:
        return sizeof socket->sa_family;
    }
}

static char *put_v4(char *out, const unsigned char *bytes)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            *out++ = '.';
        out = decimal_put(out, bytes[i]);
    }
    return out;
}

/* As inet_ntop does it: "::" for the first of the longest runs of zeros (RFC 5952, 4.2), and the
 * last four bytes as IPv4 behind 96 bits of zeros. */
static char *put_v6(char *out, const unsigned char *bytes)
{
    unsigned words[8], gap = 8, gap_words = 1;

    for (unsigned i = 0; i < 8; i++)
        words[i] = (unsigned)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    for (unsigned i = 0, end; i < 8; i = end + 1) {
        for (end = i; end < 8 && words[end] == 0;)
            end++;
        if (end - i > gap_words) {
            gap = i;
            gap_words = end - i;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == gap) {
            out = slice_put(out, SLICE("::"));
            i += gap_words - 1;
            continue;
        }
        if (i > 0 && i != gap + gap_words)
            *out++ = ':';
        if (i == 6 && gap == 0 && gap_words == 6)
            return put_v4(out, bytes + 12);
        out = hex_put(out, words[i]);
    }
    return out;
}

/* Sockets that listen for both kinds see IPv4 peers as ::ffff:1.2.3.4; people,
 * logs and X-Forwarded-For want to see 1.2.3.4. */
static const void *v4_bytes(const struct sockaddr *socket)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)socket;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)socket;

    if (socket->sa_family == AF_INET)
        return &v4->sin_addr;
    if (socket->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return v6->sin6_addr.s6_addr + 12;
    return NULL;
}

struct slice address_host_in(char room[ADDRESS_HOST_BYTES], const struct sockaddr *socket)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)socket;
    const void *v4 = v4_bytes(socket);
    char *end = room;

    if (v4 != NULL)
        end = put_v4(room, v4);
    else if (socket->sa_family == AF_INET6)
        end = put_v6(room, v6->sin6_addr.s6_addr);
    return (struct slice){room, (size_t)(end - room)};
}

static void format_unix(struct buffer *out, const struct sockaddr *socket)
{
    const struct sockaddr_un *path = (const struct sockaddr_un *)(const void *)socket;

    buffer_append_text(out, "unix:");
    buffer_append(out,
                  (struct slice){path->sun_path, strnlen(path->sun_path, sizeof path->sun_path)});
}

void address_format_host(struct buffer *out, const struct sockaddr *socket)
{
    char room[ADDRESS_HOST_BYTES];
    struct slice host = address_host_in(room, socket);

    if (host.length > 0)
        buffer_append(out, host);
    else if (socket->sa_family == AF_UNIX)
        format_unix(out, socket);
    else
        buffer_append_byte(out, '-');
}

void address_format(struct buffer *out, const struct sockaddr *socket)
{
    bool is_v4 = v4_bytes(socket) != NULL, is_v6 = !is_v4 && socket->sa_family == AF_INET6;

    if (is_v6)
        buffer_append_byte(out, '[');
    address_format_host(out, socket);
    if (is_v6)
        buffer_append_byte(out, ']');
    if (!is_v4 && !is_v6)
        return;
    buffer_append_byte(out, ':');
    buffer_append_number(out, address_port(socket));
}

uint16_t address_port(const struct sockaddr *socket)
{
    if (socket->sa_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)socket)->sin_port);
    if (socket->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)socket)->sin6_port);
    return 0;
}

void address_set_port(struct sockaddr *socket, uint16_t port)
{
    if (socket->sa_family == AF_INET)
        ((struct sockaddr_in *)(void *)socket)->sin_port = htons(port);
    else if (socket->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)socket)->sin6_port = htons(port);
}
