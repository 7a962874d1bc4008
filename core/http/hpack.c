/*
 * Blocks that are read, by libnghttp2.
 */
#include "http/hpack.h"

#include "base/check.h"
#include "base/mem.h"

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
