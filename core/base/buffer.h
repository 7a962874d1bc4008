/*
 * buffer - bytes that grow at the end and are consumed at the start.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/check.h"
#include "base/slice.h"

#include <stdint.h>

struct buffer { /* all zero is an empty buffer that owns nothing */
    char *bytes;
    size_t start, end, capacity;
};

void buffer_dispose(struct buffer *); /* frees the bytes; the buffer is empty again */
void buffer_append(struct buffer *, struct slice);
void buffer_append_text(struct buffer *, const char *text);
void buffer_append_byte(struct buffer *, char byte);
void buffer_append_number(struct buffer *, uint64_t number); /* in decimal */
void buffer_printf(struct buffer *, const char *format, ...) PRINTF(2, 3);
char *buffer_make_room(struct buffer *, size_t room); /* for buffer_reserve */

/* Where to write room bytes; then buffer_grow. */
inline char *buffer_reserve(struct buffer *b, size_t room)
{
    return b->capacity - b->end >= room && room > 0 ? b->bytes + b->end : buffer_make_room(b, room);
}

static inline void buffer_grow(struct buffer *b, size_t written)
{
    CHECK(written <= b->capacity - b->end);
    b->end += written;
}

static inline size_t buffer_length(const struct buffer *b)
{
    return b->end - b->start;
}

static inline struct slice buffer_slice(const struct buffer *b) /* until the next change */
{
    return (struct slice){b->bytes ? b->bytes + b->start : "", b->end - b->start};
}

/* The same with a NUL behind it. */
static inline const char *buffer_text(struct buffer *b)
{
    buffer_append_byte(b, '\0');
    b->end--;
    return b->bytes + b->start;
}

static inline void buffer_clear(struct buffer *b)
{
    b->start = b->end = 0;
}

static inline void buffer_consume(struct buffer *b, size_t bytes)
{
    CHECK(bytes <= b->end - b->start);
    b->start += bytes;
    if (b->start == b->end)
        buffer_clear(b);
}

#endif
