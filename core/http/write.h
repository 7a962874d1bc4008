/*
 * write - heads into arena memory whose size is known beforehand.
 */
#ifndef HTTP_WRITE_H
#define HTTP_WRITE_H

#include "base/arena.h"
#include "base/check.h"
#include "base/slice.h"

#include <stdint.h>
#include <string.h>

struct writer {
    struct arena *arena;
    char *start, *at, *end;
};

static inline struct writer writer_in(struct arena *arena, size_t room)
{
    char *start = arena_alloc(arena, room);

    return (struct writer){arena, start, start, start + room};
}

static inline char *write_room(struct writer *w, size_t bytes)
{
    char *at = w->at;

    CHECK((size_t)(w->end - at) >= bytes);
    w->at = at + bytes;
    return at;
}

static inline void write_text(struct writer *w, struct slice text)
{
    memcpy(write_room(w, text.length), text.start, text.length);
}

/* All of a line but its end is a prefix and a value. */
static inline void write_line(struct writer *w, struct slice prefix, struct slice value)
{
    char *at = write_room(w, prefix.length + value.length + 2);

    memcpy(at, prefix.start, prefix.length);
    memcpy(at + prefix.length, value.start, value.length);
    memcpy(at + prefix.length + value.length, "\r\n", 2);
}

static inline void write_field(struct writer *w, struct slice name, struct slice value)
{
    char *at = write_room(w, name.length + value.length + 4);

    memcpy(at, name.start, name.length);
    memcpy(at + name.length, ": ", 2);
    memcpy(at + name.length + 2, value.start, value.length);
    memcpy(at + name.length + 2 + value.length, "\r\n", 2);
}

void write_number(struct writer *, uint64_t number); /* in decimal */
/* In quotes, with a backslash before each quote and backslash: up to twice as long, and two. */
void write_quoted(struct writer *, struct slice text);
void write_decimal_field(struct writer *, struct slice name, uint64_t number);

/* What was written; the room that is left goes back to the arena. */
static inline struct slice writer_finish(struct writer *w)
{
    arena_trim(w->arena, w->at);
    return (struct slice){w->start, (size_t)(w->at - w->start)};
}

/* "1f4\r\n": the line before a chunk (RFC 9112, 7.1). At most 18 bytes; gives how many. */
size_t write_chunk_size(char *out, uint64_t size);

#endif
