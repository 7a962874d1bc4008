#include "admin/json.h"

#include "base/decimal.h"
#include "base/log_text.h"

#include <math.h>

enum { ESCAPE_BYTES_MAX = 6 };

static void put_text(struct buffer *out, struct slice text)
{
    char *start = buffer_reserve(out, text.length * ESCAPE_BYTES_MAX + LOG_CUT_BYTES + 2), *at;

    start[0] = '"';
    at = log_put_escaped(start + 1, text, text.length * ESCAPE_BYTES_MAX, LOG_JSON);
    *at++ = '"';
    buffer_grow(out, (size_t)(at - start));
}

/* A comma, unless this is the first one, and the name. */
static void put_name(struct buffer *out, const char *name)
{
    struct slice before = buffer_slice(out);
    char last = before.length > 0 ? before.start[before.length - 1] : '{';

    if (strchr("{[,\n ", last) == NULL)
        buffer_append_byte(out, ',');
    if (name == NULL)
        return;
    put_text(out, slice_of(name));
    buffer_append_byte(out, ':');
}

void json_open(struct buffer *out, char bracket)
{
    json_open_in(out, NULL, bracket);
}

void json_close(struct buffer *out, char bracket)
{
    buffer_append_byte(out, bracket);
}

void json_open_in(struct buffer *out, const char *name, char bracket)
{
    put_name(out, name);
    buffer_append_byte(out, bracket);
}

void json_text(struct buffer *out, const char *name, const char *text)
{
    json_slice(out, name, slice_of(text));
}

void json_slice(struct buffer *out, const char *name, struct slice text)
{
    put_name(out, name);
    put_text(out, text);
}

void json_number(struct buffer *out, const char *name, uint64_t number)
{
    put_name(out, name);
    buffer_append_number(out, number);
}

void json_double(struct buffer *out, const char *name, double number)
{
    put_name(out, name);
    if (isfinite(number))
        buffer_printf(out, "%.6g", number);
    else
        buffer_append_text(out, "null");
}

void json_exact(struct buffer *out, const char *name, double number)
{
    char room[DECIMAL_OF_DOUBLE_BYTES];

    if (isfinite(number))
        json_raw(out, name, (struct slice){room, decimal_of_double(number, room)});
    else
        json_null(out, name);
}

void json_seconds(struct buffer *out, const char *name, uint64_t ms)
{
    put_name(out, name);
    buffer_printf(out, "%.3f", (double)ms / 1000);
}

void json_flag(struct buffer *out, const char *name, bool flag)
{
    put_name(out, name);
    buffer_append_text(out, flag ? "true" : "false");
}

void json_null(struct buffer *out, const char *name)
{
    put_name(out, name);
    buffer_append_text(out, "null");
}

void json_raw(struct buffer *out, const char *name, struct slice json)
{
    put_name(out, name);
    buffer_append(out, json);
}
