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

static inline void write_text(struct writer *w, struct slice text)
{
    CHECK((size_t)(w->end - w->at) >= text.length);
    memcpy(w->at, text.start, text.length);
    w->at += text.length;
}

static inline void write_field(struct writer *w, struct slice name, struct slice value)
{
    write_text(w, name);
    write_text(w, SLICE(": "));
    write_text(w, value);
    write_text(w, SLICE("\r\n"));
}

void write_number(struct writer *, uint64_t number); /* in decimal */
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
