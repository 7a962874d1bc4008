#include "admin/answer.h"

#include "admin/json.h"

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
