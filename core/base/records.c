/*
 *   record   length of what follows: 4   kind   fact ..
 *   fact     name   length: 4   bytes
 *   kind, name   length: 1   bytes
 */
#include "base/records.h"

#include "base/check.h"

#include <string.h>

static void add_length(struct buffer *b, size_t length)
{
    uint32_t word = (uint32_t)length;

    CHECK(length <= UINT32_MAX);
    buffer_append(b, (struct slice){(const char *)&word, sizeof word});
}

static void add_name(struct buffer *b, const char *name)
{
    size_t length = strlen(name);

    CHECK(length <= UINT8_MAX);
    buffer_append_byte(b, (char)length);
    buffer_append_text(b, name);
}

size_t records_begin(struct buffer *b, const char *kind)
{
    size_t begun = b->end;

    add_length(b, 0);
    add_name(b, kind);
    return begun;
}

void records_end(struct buffer *b, size_t begun)
{
    uint32_t length = (uint32_t)(b->end - begun - sizeof length);

    memcpy(b->bytes + begun, &length, sizeof length);
}

void records_add(struct buffer *b, const char *name, struct slice bytes)
{
    add_name(b, name);
    add_length(b, bytes.length);
    buffer_append(b, bytes);
}

void records_add_number(struct buffer *b, const char *name, uint64_t number)
{
    records_add(b, name, (struct slice){(const char *)&number, sizeof number});
}

/* --- reading --- */

static bool take(struct slice *rest, size_t length, struct slice *out)
{
    if (length > rest->length)
        return false;
    *out = (struct slice){rest->start, length};
    *rest = slice_from(*rest, length);
    return true;
}

static bool take_long(struct slice *rest, struct slice *out)
{
    struct slice word;
    uint32_t length;

    if (!take(rest, sizeof length, &word))
        return false;
    memcpy(&length, word.start, sizeof length);
    return take(rest, length, out);
}

static bool take_name(struct slice *rest, struct slice *out)
{
    struct slice length;

    return take(rest, 1, &length) && take(rest, (unsigned char)length.start[0], out);
}

bool records_next(struct slice *rest, struct record *out)
{
    return take_long(rest, &out->facts) && take_name(&out->facts, &out->kind);
}

bool record_is(const struct record *r, const char *kind)
{
    return slice_is(r->kind, slice_of(kind));
}

struct slice record_bytes(const struct record *r, const char *name)
{
    struct slice rest = r->facts, found, bytes;

    while (take_name(&rest, &found) && take_long(&rest, &bytes))
        if (slice_is(found, slice_of(name)))
            return bytes;
    return SLICE("");
}

uint64_t record_number(const struct record *r, const char *name, uint64_t otherwise)
{
    struct slice bytes = record_bytes(r, name);
    uint64_t number;

    if (bytes.length != sizeof number)
        return otherwise;
    memcpy(&number, bytes.start, sizeof number);
    return number;
}
