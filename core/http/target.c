#include "http/target.h"

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

/* "http://authority[/path][?query]"; RFC 9112, 3.2.2 and 3.2.4. */
static bool target_parse_absolute(struct slice method, struct slice text, struct target *out)
{
    static const char scheme[] = "http://";
    size_t at = sizeof scheme - 1;

    if (text.length <= at || !slice_is_nocase((struct slice){text.start, at}, SLICE("http://")))
        return false;
    while (at < text.length && text.start[at] != '/' && text.start[at] != '?')
        at++;
    out->form = TARGET_ABSOLUTE;
    out->authority = (struct slice){text.start + sizeof scheme - 1, at - (sizeof scheme - 1)};
    out->origin = (struct slice){text.start + at, text.length - at};
    if (out->origin.length == 0)
        out->origin = slice_is(method, SLICE("OPTIONS")) ? SLICE("*") : SLICE("/");
    /* "http://host?query" has an empty path, which a request line cannot carry. */
    return out->origin.start[0] != '?' && host_is_valid(out->authority);
}

bool target_parse(struct slice method, struct slice text, struct target *out)
{
    bool ok;

    *out = (struct target){.form = TARGET_ORIGIN, .origin = text};
    if (slice_is(method, SLICE("CONNECT"))) {
        out->form = TARGET_AUTHORITY;
        out->authority = text;
        ok = host_is_valid(text);
    } else if (slice_is(text, SLICE("*"))) {
        out->form = TARGET_ASTERISK;
        ok = slice_is(method, SLICE("OPTIONS"));
    } else {
        ok = text.start[0] == '/' || target_parse_absolute(method, text, out);
    }
    target_split(out);
    return ok;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_host_byte(char c)
{
    static const char others[] = "-._~%!$&'()*+,;=";

    return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
           (c != '\0' && strchr(others, c) != NULL);
}

/* How much of the text is the host, brackets included; 0 if it is none. */
static size_t host_length(struct slice text)
{
    size_t at = 0;

    if (text.length == 0 || text.start[0] != '[') {
        while (at < text.length && is_host_byte(text.start[at]))
            at++;
        return at;
    }
    for (at = 1; at < text.length && text.start[at] != ']'; at++) {
        char c = ascii_lower(text.start[at]);

        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && c != ':' && c != '.')
            return 0;
    }
    return at < text.length && at > 2 ? at + 1 : 0;
}

bool host_is_valid(struct slice text)
{
    size_t at = host_length(text);
    size_t digits = 0;

    if (at == 0)
        return false;
    if (at == text.length)
        return true;
    if (text.start[at++] != ':')
        return false;
    for (; at < text.length && is_digit(text.start[at]); at++)
        digits++;
    return at == text.length && digits <= 5;
}

struct slice host_without_port(struct slice text)
{
    return (struct slice){text.start, host_length(text)};
}
