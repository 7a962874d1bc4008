#include "admin/answer.h"

#include "admin/json.h"
#include "base/nearest.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_BYTES_MAX = 1024 };

enum answer_step answer_error(struct answer *a, struct buffer *out, unsigned status,
                              const char *format, ...)
{
    char message[MESSAGE_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    a->status = status;
    json_open(out, '{');
    json_text(out, "error", message);
    json_number(out, "status", status);
    json_close(out, '}');
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}

struct slice answer_parameter(const struct answer *a, struct slice name)
{
    struct slice rest = a->query;

    while (rest.length > 0) {
        struct slice value = slice_take_until(&rest, '&');

        if (slice_is(slice_take_until(&value, '='), name))
            return value;
    }
    return (struct slice){"", 0};
}

bool answer_unescape(struct slice text, char out[ROSTER_NAME_BYTES])
{
    size_t at = 0, length = 0;

    while (at < text.length && length + 1 < ROSTER_NAME_BYTES) {
        int byte = ascii_unescape(slice_from(text, at));

        if (byte == 0 || (byte < 0 && text.start[at] == '%'))
            return false;
        out[length++] = byte > 0 ? (char)byte : text.start[at];
        at += byte > 0 ? 3 : 1;
    }
    out[length] = '\0';
    return at == text.length;
}

bool answer_is_asked_more(const struct answer *a, const char *const *known, size_t count,
                          struct slice *unknown, const char **nearest)
{
    struct slice rest = a->query;

    while (rest.length > 0) {
        struct slice member = slice_take_until(&rest, '&');
        struct slice name = slice_take_until(&member, '=');
        bool is_known = name.length == 0;

        for (size_t i = 0; i < count; i++)
            is_known |= slice_is(name, slice_of(known[i]));
        if (is_known)
            continue;
        *unknown = name;
        *nearest = nearest_name(name, known, count);
        return true;
    }
    return false;
}
