/*
 * hpack - blocks through the door to libnghttp2: read, written again by us and read by another
 * reader, they have the same fields.
 *
 * An input: pieces, each with a byte for the size of the table that the other reader allows (in
 * units of 64) and two for its length, then a block. A block that is not valid ends it, as it ends
 * a connection.
 */
#include "http/hpack.h"

#include "base/arena.h"
#include "base/mem.h"

enum { PIECE_HEAD = 3, TABLE_UNIT = 64, FIELDS_MOST = 500, BYTES_MOST = 65536 };

struct list {
    struct arena arena;
    struct hpack_field fields[FIELDS_MOST];
    unsigned count;
    size_t bytes;
};

static bool add(void *owner, struct slice name, struct slice value)
{
    struct list *list = owner;

    list->bytes += name.length + value.length;
    if (list->count == FIELDS_MOST || list->bytes > BYTES_MOST)
        return false;
    list->fields[list->count++] = (struct hpack_field){
        .name = arena_copy(&list->arena, name),
        .value = arena_copy(&list->arena, value),
        .is_secret = value.length % 5 == 1,
    };
    return true;
}

static void clear(struct list *list)
{
    arena_dispose(&list->arena);
    list->count = 0;
    list->bytes = 0;
}

static void check_same(const struct list *a, const struct list *b)
{
    CHECK(a->count == b->count);
    for (unsigned i = 0; i < a->count; i++) {
        CHECK(slice_is(a->fields[i].name, b->fields[i].name));
        CHECK(slice_is(a->fields[i].value, b->fields[i].value));
    }
}

static void write_and_read(struct hpack_writer *writer, struct hpack_reader *reader,
                           const struct list *list)
{
    static struct list back;
    size_t room = hpack_room(list->fields, list->count);
    char *block = mem_alloc(room);
    size_t length = hpack_write(writer, list->fields, list->count, block);

    CHECK(length <= room);
    CHECK(hpack_read(reader, (struct slice){block, length}, add, &back));
    check_same(list, &back);
    clear(&back);
    mem_free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct list list;
    struct hpack_reader *reader = hpack_reader_new(), *other = hpack_reader_new();
    struct hpack_writer writer = {.must_resize = false};
    bool is_valid = true;

    while (is_valid && size > PIECE_HEAD) {
        size_t length = (size_t)(data[1] << 8 | data[2]);
        char *block;

        if (data[0] % 4 == 0) /* not above what a reader offers */
            hpack_writer_resize(&writer, data[0] * TABLE_UNIT % 4097);
        data += PIECE_HEAD;
        size -= PIECE_HEAD;
        length = length < size ? length : size;
        block = mem_copy(data, length);
        is_valid = hpack_read(reader, (struct slice){block, length}, add, &list);
        if (is_valid)
            write_and_read(&writer, other, &list);
        mem_free(block);
        clear(&list);
        data += length;
        size -= length;
    }
    hpack_reader_free(reader);
    hpack_reader_free(other);
    return 0;
}
