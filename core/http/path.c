/*
 * Segment by segment: decode > look > cut > "" and ".": skip, "..": back, else keep
 */
#include "http/path.h"

#include "base/utf8.h"

#include <stdbool.h>

static const char *byte_fault(char c, bool was_encoded)
{
    if (c == '/' && was_encoded)
        return "an encoded '/' (%2f)";
    if (c == '\\') /* a '/' for browsers, and for servers on Windows */
        return was_encoded ? "an encoded backslash (%5c)" : "a backslash";
    if (c == '\0')
        return "an encoded NUL (%00)";
    if ((unsigned char)c < 0x20 || c == 0x7f)
        return "an encoded control byte";
    return NULL;
}

struct segment_text {
    struct slice whole; /* decoded */
    size_t cut;         /* where its parameters begin; they are behind a ';' that was not encoded */
};

/* Writes it at out. */
static const char *decode(struct slice raw, char *out, struct segment_text *segment)
{
    bool has_parameters = false;
    size_t length = 0;

    for (size_t i = 0; i < raw.length; i++) {
        bool is_encoded = raw.start[i] == '%';
        char c = raw.start[i];
        const char *fault;

        if (is_encoded) {
            int escaped = ascii_unescape(slice_from(raw, i));

            if (escaped < 0)
                return "a '%' without two hex digits";
            c = (char)escaped;
            i += 2;
        }
        fault = byte_fault(c, is_encoded);
        if (fault != NULL)
            return fault;
        if (!has_parameters)
            segment->cut = length;
        has_parameters = has_parameters || (c == ';' && !is_encoded);
        out[length++] = c;
    }
    segment->whole = (struct slice){out, length};
    if (!has_parameters)
        segment->cut = length;
    return NULL;
}

/* "..;x": dots for a backend that cuts parameters, a name for others; if encoded, the reverse. */
static bool is_dots_and_parameters(struct slice text)
{
    size_t dots = 0;

    while (dots < text.length && text.start[dots] == '.')
        dots++;
    return (dots == 1 || dots == 2) && dots < text.length && text.start[dots] == ';';
}

struct cleaning {
    char *out;     /* ends in "/" before each segment */
    size_t length; /* of what is written */
    size_t behind; /* an empty segment was left out here: no ".." may go back before it */
};

/* Some servers go back over the empty segment of "/a//..", others over the one before it. */
static const char *go_back(struct cleaning *c)
{
    size_t length = c->length - 1;

    if (length == 0)
        return "'..' above the root";
    while (c->out[length - 1] != '/')
        length--;
    if (length < c->behind)
        return "'..' over '//'";
    c->length = length;
    return NULL;
}

static const char *add_segment(struct cleaning *c, struct slice raw, bool has_end)
{
    struct segment_text segment = {.cut = 0};
    const char *fault = decode(raw, c->out + c->length, &segment);
    struct slice name;

    if (fault != NULL)
        return fault;
    if (utf8_prefix(segment.whole) < segment.whole.length) /* "%c0%ae" is a dot for some */
        return "bytes that are not UTF-8";
    if (is_dots_and_parameters(segment.whole))
        return "dots before a ';'";
    name = (struct slice){segment.whole.start, segment.cut};
    if (slice_is(name, SLICE("..")))
        return go_back(c);
    if (name.length == 0)
        c->behind = c->length;
    if (name.length == 0 || slice_is(name, SLICE(".")))
        return NULL;
    c->length += name.length;
    if (has_end)
        c->out[c->length++] = '/';
    return NULL;
}

const char *path_clean(struct slice path, char *out, size_t *length)
{
    struct cleaning c = {out, 1, 1};
    const char *fault = NULL, *end = path.start + path.length;
    const char *at = path.start + (path.length > 0 && path.start[0] == '/');

    out[0] = '/';
    *length = 1;
    if (slice_is(path, SLICE("*"))) {
        out[0] = '*';
        return NULL;
    }
    for (const char *stop; fault == NULL && at <= end; at = stop + 1) {
        const char *slash = memchr(at, '/', (size_t)(end - at));

        stop = slash != NULL ? slash : end;
        fault = add_segment(&c, (struct slice){at, (size_t)(stop - at)}, slash != NULL);
    }
    *length = c.length;
    return fault;
}
