#include "base/buffer.h"

#include "base/decimal.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum { BUFFER_FIRST_BYTES = 256 };

/* For calls that the compiler does not inline. */
extern inline char *buffer_reserve(struct buffer *, size_t room);

void buffer_dispose(struct buffer *b)
{
    if (b->bytes == NULL)
        return;
    mem_free(b->bytes);
    *b = (struct buffer){0};
}

char *buffer_make_room(struct buffer *b, size_t room)
{
    size_t used = b->end - b->start;
    size_t wanted = b->capacity ? b->capacity : BUFFER_FIRST_BYTES;

    if (b->capacity - b->end >= room && b->bytes != NULL)
        return b->bytes + b->end; /* for no bytes */
    if (b->start > 0) {
        memmove(b->bytes, b->bytes + b->start, used);
        b->start = 0;
        b->end = used;
    }
    while (wanted - used < room)
        wanted *= 2;
    if (wanted != b->capacity) {
        b->bytes = mem_realloc(b->bytes, wanted);
        b->capacity = wanted;
    }
    return b->bytes + b->end;
}

void buffer_append(struct buffer *b, struct slice s)
{
    if (s.length == 0)
        return;
    memcpy(buffer_reserve(b, s.length), s.start, s.length);
    b->end += s.length;
}

void buffer_append_text(struct buffer *b, const char *text)
{
    buffer_append(b, slice_of(text));
}

void buffer_append_byte(struct buffer *b, char byte)
{
    *buffer_reserve(b, 1) = byte;
    b->end++;
}

void buffer_append_number(struct buffer *b, uint64_t number)
{
    char digits[DECIMAL_BYTES];

    buffer_append(b, decimal_in(digits, number));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list arguments, again;
    int length;

    va_start(arguments, format);
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    vsnprintf(buffer_reserve(b, (size_t)length + 1), (size_t)length + 1, format, again);
    va_end(again);
    b->end += (size_t)length;
}
