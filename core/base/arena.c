#include "base/arena.h"

#include "base/check.h"
#include "base/mem.h"

enum { ARENA_BLOCK_BYTES = 4096 };

struct arena_block {
    struct arena_block *older;
    _Alignas(ARENA_ALIGNMENT) char bytes[];
};

/* For calls that the compiler does not inline. */
extern inline void arena_init(struct arena *, void *first, size_t bytes);
extern inline void arena_dispose(struct arena *);
extern inline size_t arena_rounded(size_t);
extern inline void *arena_alloc(struct arena *, size_t bytes);

void arena_free_blocks(struct arena *a)
{
    while (a->blocks != NULL) {
        struct arena_block *block = a->blocks;

        a->blocks = block->older;
        mem_free(block);
    }
}

void *arena_alloc_block(struct arena *a, size_t bytes)
{
    size_t room = bytes > ARENA_BLOCK_BYTES ? arena_rounded(bytes) : ARENA_BLOCK_BYTES;
    struct arena_block *block = mem_alloc(sizeof *block + room);

    block->older = a->blocks;
    a->blocks = block;
    a->next = block->bytes + arena_rounded(bytes);
    a->end = block->bytes + room;
    return block->bytes;
}

size_t arena_bytes(const struct arena *a)
{
    size_t bytes = 0;

    for (const struct arena_block *block = a->blocks; block != NULL; block = block->older)
        bytes += mem_size(block);
    return bytes;
}

void arena_trim(struct arena *a, void *end)
{
    CHECK((char *)end <= a->next);
    a->next = (char *)end + (-(uintptr_t)end & (ARENA_ALIGNMENT - 1));
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    return memset(arena_alloc(a, bytes), 0, bytes);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *copy = arena_alloc(a, s.length + 1);

    if (s.length > 0)
        memcpy(copy, s.start, s.length);
    copy[s.length] = '\0';
    return (struct slice){copy, s.length};
}
