#include "http/hpack.h"

#include "base/check.h"
#include "base/mem.h"
#include "http/h2_frames.h"

#include <nghttp2/nghttp2.h>

/* --- memory: counted, and bounded by the tables and by the length of a field --- */

static void *take(size_t bytes, void *user)
{
    (void)user;
    return mem_alloc(bytes);
}

static void give(void *block, void *user)
{
    (void)user;
    mem_free(block);
}

static void *take_zeros(size_t count, size_t each, void *user)
{
    (void)user;
    return mem_zalloc_array(count, each);
}

static void *take_again(void *block, size_t bytes, void *user)
{
    (void)user;
    return mem_realloc(block, bytes);
}

static nghttp2_mem memory = {
    .malloc = take, .free = give, .calloc = take_zeros, .realloc = take_again};

/* --- reading --- */

static nghttp2_hd_inflater *inflater_of(struct hpack_reader *reader)
{
    return (nghttp2_hd_inflater *)(void *)reader;
}

struct hpack_reader *hpack_reader_new(void)
{
    nghttp2_hd_inflater *inflater;

    CHECK(nghttp2_hd_inflate_new2(&inflater, &memory) == 0);
    return (struct hpack_reader *)(void *)inflater;
}

void hpack_reader_free(struct hpack_reader *reader)
{
    if (reader != NULL)
        nghttp2_hd_inflate_del(inflater_of(reader));
}

bool hpack_read(struct hpack_reader *reader, struct slice block,
                bool (*on_field)(void *owner, struct slice name, struct slice value), void *owner)
{
    nghttp2_hd_inflater *inflater = inflater_of(reader);
    const uint8_t *at = (const uint8_t *)block.start;
    size_t left = block.length;

    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &field, &flags, at, left, 1);

        if (used < 0)
            return false;
        at += used;
        left -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 &&
            !on_field(owner, (struct slice){(const char *)field.name, field.namelen},
                      (struct slice){(const char *)field.value, field.valuelen}))
            return false;
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            return nghttp2_hd_inflate_end_headers(inflater) == 0;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0)
            return false;
    }
}

/* --- writing --- */

static nghttp2_hd_deflater *deflater_of(struct hpack_writer *writer)
{
    return (nghttp2_hd_deflater *)(void *)writer;
}

struct hpack_writer *hpack_writer_new(void)
{
    nghttp2_hd_deflater *deflater;

    CHECK(nghttp2_hd_deflate_new2(&deflater, H2_TABLE_FIRST, &memory) == 0);
    return (struct hpack_writer *)(void *)deflater;
}

void hpack_writer_free(struct hpack_writer *writer)
{
    if (writer != NULL)
        nghttp2_hd_deflate_del(deflater_of(writer));
}

void hpack_writer_resize(struct hpack_writer *writer, uint32_t bytes)
{
    CHECK(nghttp2_hd_deflate_change_table_size(deflater_of(writer), bytes) == 0);
}

/* The lengths of a name and a value, each a number with a prefix, and a change of the table. */
size_t hpack_room(const struct hpack_field *fields, unsigned count)
{
    size_t room = 2 * 6;

    for (unsigned i = 0; i < count; i++)
        room += 2 * 6 + 1 + fields[i].name.length + fields[i].value.length;
    return room;
}

enum { AT_ONCE = 16 };

static nghttp2_nv pair_of(const struct hpack_field *field)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)field->name.start,
        .namelen = field->name.length,
        .value = (uint8_t *)(uintptr_t)field->value.start,
        .valuelen = field->value.length,
        .flags = field->is_secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
    };
}

/* A block is what its fields are, so it can be made of a few of them at a time. */
size_t hpack_write(struct hpack_writer *writer, const struct hpack_field *fields, unsigned count,
                   char *out)
{
    nghttp2_nv pairs[AT_ONCE];
    size_t room = hpack_room(fields, count), length = 0;

    while (count > 0) {
        unsigned some = count < AT_ONCE ? count : AT_ONCE;
        ssize_t written;

        for (unsigned i = 0; i < some; i++)
            pairs[i] = pair_of(&fields[i]);
        written = nghttp2_hd_deflate_hd(deflater_of(writer), (uint8_t *)out + length, room - length,
                                        pairs, some);
        CHECK(written >= 0);
        length += (size_t)written;
        fields += some;
        count -= some;
    }
    return length;
}
