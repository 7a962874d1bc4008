#include "http/target.h"

#include "base/check.h"
#include "base/ip.h"
#include "http/head.h"
#include "http/syntax.h"

static void target_split(struct target *out)
{
    const char *mark = memchr(out->origin.start, '?', out->origin.length);

    out->path = out->origin;
    out->query = (struct slice){"", 0};
    if (mark == NULL)
        return;
    out->path.length = (size_t)(mark - out->origin.start);
    out->query = (struct slice){mark + 1, out->origin.length - out->path.length - 1};
}

/* An empty path is "/", and of OPTIONS alone all of the server (RFC 9112, 3.2.1 and 3.2.4). */
static struct slice target_add_path(struct slice method, struct slice query, struct arena *arena)
{
    char *origin;

    if (query.length == 0)
        return slice_is(method, SLICE("OPTIONS")) ? SLICE("*") : SLICE("/");
    origin = arena_alloc(arena, query.length + 1);
    origin[0] = '/';
    memcpy(origin + 1, query.start, query.length);
    return (struct slice){origin, query.length + 1};
}

/* "http://authority[/path][?query]" (RFC 9112, 3.2.2). */
static bool target_parse_absolute(struct slice method, struct slice text, struct arena *arena,
                                  struct target *out)
{
    const size_t start = strlen("http://");
    size_t at = start;

    if (!slice_begins_nocase(text, SLICE("http://")))
        return false;
    while (at < text.length && text.start[at] != '/' && text.start[at] != '?')
        at++;
    out->form = TARGET_ABSOLUTE;
    out->authority = (struct slice){text.start + start, at - start};
    out->origin = slice_from(text, at);
    if (!host_is_valid(out->authority))
        return false;
    if (out->origin.length == 0 || out->origin.start[0] == '?')
        out->origin = target_add_path(method, out->origin, arena);
    return true;
}

bool target_parse(struct slice method, struct slice text, struct arena *arena, struct target *out)
{
    bool ok;

    *out = (struct target){.form = TARGET_ORIGIN, .origin = text};
    if (slice_is(method, SLICE("CONNECT"))) {
        out->form = TARGET_AUTHORITY;
        out->authority = text;
        /* "host:port", both of them (RFC 9110, 9.3.6). */
        ok = host_is_valid(text) && host_without_port(text).length + 1 < text.length;
    } else if (slice_is(text, SLICE("*"))) {
        out->form = TARGET_ASTERISK;
        ok = slice_is(method, SLICE("OPTIONS"));
    } else {
        ok = text.start[0] == '/' || target_parse_absolute(method, text, arena, out);
    }
    target_split(out);
    return ok;
}

bool target_is_origin(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.start[i] < 0x21 || text.start[i] > 0x7e || text.start[i] == '#')
            return false;
    return text.length > 0 && text.start[0] == '/';
}

/* How much of the text is a registered name or an IPv4 address (RFC 3986, 3.2.2). */
static size_t name_length(struct slice text)
{
    size_t at = 0;

    while (at < text.length) {
        if (is_host_byte(text.start[at]))
            at++;
        else if (text.start[at] == '%' && ascii_unescape(slice_from(text, at)) >= 0)
            at += 3;
        else
            break;
    }
    return at;
}

/* "[v6]": an address that is one (RFC 3986, 3.2.2); nobody has ever used IPvFuture. */
static size_t literal_length(struct slice text)
{
    const char *end = memchr(text.start, ']', text.length);
    size_t length = end != NULL ? (size_t)(end - text.start) - 1 : 0;
    struct in6_addr binary;

    return ip_read((struct slice){text.start + 1, length}, AF_INET6, &binary) ? length + 2 : 0;
}

/* How much of the text is the host, brackets included; 0 if it is none. */
static size_t host_length(struct slice text)
{
    bool is_literal = text.length > 0 && text.start[0] == '[';

    return is_literal ? literal_length(text) : name_length(text);
}

/* It may be empty (RFC 3986, 3.2.3). */
static bool port_is_valid(struct slice digits)
{
    uint64_t port;

    return digits.length == 0 || (number_read(digits, &port) && port <= UINT16_MAX);
}

bool host_split(struct slice text, struct slice *name)
{
    size_t at = host_length(text);

    *name = (struct slice){text.start, at};
    if (at == 0)
        return false;
    return at == text.length || (text.start[at] == ':' && port_is_valid(slice_from(text, at + 1)));
}

bool host_is_valid(struct slice text)
{
    struct slice name;

    return host_split(text, &name);
}

static size_t compared_literal(struct slice literal, char *out)
{
    struct slice address = {literal.start + 1, literal.length - 2};
    struct in6_addr binary;

    CHECK(ip_read(address, AF_INET6, &binary));
    out[0] = '[';
    CHECK(inet_ntop(AF_INET6, &binary, out + 1, INET6_ADDRSTRLEN) != NULL);
    strcat(out, "]");
    return strlen(out);
}

size_t host_compared(struct slice host, char *out)
{
    size_t length = 0;

    if (host.length > 0 && host.start[0] == '[')
        return compared_literal(host, out);
    for (size_t i = 0; i < host.length; i++) {
        char c = host.start[i];
        int escaped = c == '%' ? ascii_unescape(slice_from(host, i)) : -1;

        if (escaped >= 0 && ascii_is_unreserved((char)escaped)) { /* RFC 3986, 6.2.2.2 */
            c = (char)escaped;
            i += 2;
        }
        out[length++] = ascii_lower(c);
    }
    while (length > 0 && out[length - 1] == '.')
        length--;
    return length;
}

struct slice host_without_port(struct slice text)
{
    return (struct slice){text.start, host_length(text)};
}

struct slice host_port(struct slice text)
{
    size_t at = text.length;

    while (at > 0 && ascii_is_digit(text.start[at - 1]))
        at--;
    if (at == 0 || text.start[at - 1] != ':')
        return (struct slice){"", 0};
    while (at < text.length && text.start[at] == '0')
        at++;
    return slice_from(text, at);
}
