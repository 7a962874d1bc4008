#include "base/json_read.h"

#include <stdlib.h>

static struct slice skip_space(struct slice s)
{
    while (s.length > 0 && s.start[0] != '\0' && strchr(" \t\r\n", s.start[0]) != NULL)
        s = slice_from(s, 1);
    return s;
}

/* With both quotes; all of it if the second one is missing. */
static size_t text_length(struct slice s)
{
    size_t at = 1;

    while (at < s.length && s.start[at] != '"')
        at += s.start[at] == '\\' ? 2 : 1;
    return at < s.length ? at + 1 : s.length;
}

static size_t nested_length(struct slice s)
{
    unsigned depth = 0;
    size_t at = 0;

    while (at < s.length) {
        char c = s.start[at];

        at += c == '"' ? text_length(slice_from(s, at)) : 1;
        depth += c == '{' || c == '[';
        if ((c == '}' || c == ']') && --depth == 0)
            break;
    }
    return at;
}

static struct slice take_value(struct slice *rest)
{
    struct slice s = skip_space(*rest);
    size_t length = 0;

    if (s.length > 0 && s.start[0] == '"')
        length = text_length(s);
    else if (s.length > 0 && (s.start[0] == '{' || s.start[0] == '['))
        length = nested_length(s);
    else
        while (length < s.length && memchr(",]}: \t\r\n", s.start[length], 8) == NULL)
            length++;
    *rest = slice_from(s, length);
    return (struct slice){s.start, length};
}

/* Over the bracket at the beginning, or the comma. */
static bool begin_next(struct slice *rest)
{
    *rest = skip_space(*rest);
    if (rest->length == 0 || memchr("{[,", rest->start[0], 3) == NULL)
        return false;
    *rest = slice_from(*rest, 1);
    return true;
}

bool json_next(struct slice *rest, struct slice *value)
{
    if (!begin_next(rest))
        return false;
    *value = take_value(rest);
    return value->length > 0;
}

bool json_next_member(struct slice *rest, struct slice *name, struct slice *value)
{
    if (!json_next(rest, name))
        return false;
    *rest = skip_space(*rest);
    if (rest->length == 0 || rest->start[0] != ':')
        return false;
    *rest = slice_from(*rest, 1);
    *value = take_value(rest);
    return value->length > 0;
}

bool json_is(struct slice value, const char *text)
{
    size_t length = strlen(text);

    return value.length == length + 2 && value.start[0] == '"' &&
           memcmp(value.start + 1, text, length) == 0 && value.start[length + 1] == '"';
}

struct slice json_member(struct slice object, const char *name)
{
    struct slice rest = object, found, value;

    while (json_next_member(&rest, &found, &value))
        if (json_is(found, name))
            return value;
    return (struct slice){"", 0};
}

/* --- texts --- */

static void append_code(struct buffer *out, unsigned code)
{
    if (code < 0x80) {
        buffer_append_byte(out, (char)code);
    } else if (code < 0x800) {
        buffer_append_byte(out, (char)(0xc0 | code >> 6));
        buffer_append_byte(out, (char)(0x80 | (code & 0x3f)));
    } else {
        buffer_append_byte(out, (char)(0xe0 | code >> 12));
        buffer_append_byte(out, (char)(0x80 | (code >> 6 & 0x3f)));
        buffer_append_byte(out, (char)(0x80 | (code & 0x3f)));
    }
}

/* Behind a backslash; how many bytes that were. */
static size_t append_escape(struct buffer *out, struct slice s)
{
    static const char letters[] = "bfnrt", bytes[] = "\b\f\n\r\t";
    const char *letter = s.start[0] != '\0' ? strchr(letters, s.start[0]) : NULL;
    unsigned code = 0;

    if (letter != NULL)
        buffer_append_byte(out, bytes[letter - letters]);
    else if (s.start[0] != 'u')
        buffer_append_byte(out, s.start[0]);
    if (s.start[0] != 'u')
        return 1;
    for (size_t i = 1; i < 5; i++) {
        int digit = i < s.length ? ascii_hex_value(s.start[i]) : -1;

        if (digit < 0)
            return i;
        code = code << 4 | (unsigned)digit;
    }
    append_code(out, code);
    return 5;
}

void json_append_characters(struct buffer *out, struct slice value)
{
    size_t end = value.length;

    if (end < 2 || value.start[0] != '"') {
        buffer_append(out, value);
        return;
    }
    end -= value.start[end - 1] == '"';
    for (size_t at = 1; at < end;) {
        if (value.start[at] != '\\') {
            buffer_append_byte(out, value.start[at++]);
        } else if (++at < end) {
            at += append_escape(out, (struct slice){value.start + at, end - at});
        }
    }
}
