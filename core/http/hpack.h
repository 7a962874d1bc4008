/*
 * hpack - blocks of fields, compressed (RFC 7541). The one door to libnghttp2.
 *
 * Of each connection one reader and one writer. The reader's table changes with every block, so
 * each block is read to its end; it has 4,096 bytes at most. The writer has no table.
 */
#ifndef HTTP_HPACK_H
#define HTTP_HPACK_H

#include "base/check.h"
#include "http/head.h"

#include <stddef.h>

struct hpack_reader;

struct hpack_writer { /* zeros at first */
    bool must_resize; /* the next block says that our part of the table is empty */
};

struct hpack_field {
    struct slice name, value;
    bool is_secret; /* never put into a table, by anybody on the way (7.1.3) */
};

struct hpack_reader *hpack_reader_new(void);
void hpack_reader_free(struct hpack_reader *); /* NULL is fine */
/* Calls on_field with each field of the block; borrowed for the call. False: it is no valid block,
 * or on_field has given false; the reader is of no use any more. */
bool hpack_read(struct hpack_reader *, struct slice block,
                bool (*on_field)(void *owner, struct slice name, struct slice value),
                void *owner) MUST_USE;

/* The peer's SETTINGS_HEADER_TABLE_SIZE. */
void hpack_writer_resize(struct hpack_writer *, uint32_t bytes);
/* How many bytes the block will have at most. */
size_t hpack_room(const struct hpack_field *, unsigned count);
/* Writes the block to out, which has that room; gives its length. */
size_t hpack_write(struct hpack_writer *, const struct hpack_field *, unsigned count, char *out);

#endif
