/*
 *   block of base/mem   [ .. | page, page, .. | .. ]
 *   its whole pages     [ chunk | cell, cell, .. ]      each cell begins with its chunk's address
 */
#include "base/cells.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_BYTES = 32768 };

struct cell {
    struct chunk *chunk;
    union {
        struct cell *next; /* while it is free */
        max_align_t start;
    } inside;
};

struct chunk {
    struct list_node roomy; /* in cells->roomy, while it has a free cell */
    void *block;
    size_t bytes;
    struct cell *free;
    unsigned used;
    pid_t locked_by;
};

void cells_init(struct cells *cells, size_t bytes)
{
    size_t align = _Alignof(struct cell);

    bytes += offsetof(struct cell, inside);
    cells->bytes = (bytes + align - 1) / align * align;
    CHECK(cells->bytes >= sizeof(struct cell) && cells->bytes <= CHUNK_BYTES / 8);
    list_init(&cells->roomy);
}

static void chunk_free_cell(struct chunk *chunk, struct cell *cell)
{
    cell->inside.next = chunk->free;
    chunk->free = cell;
}

static struct chunk *chunk_new(struct cells *cells)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (CHUNK_BYTES + page - 1) / page * page, at;
    void *block = mem_alloc(bytes + page - 1);
    struct chunk *chunk = (void *)(((uintptr_t)block + page - 1) / page * page);

    *chunk = (struct chunk){.block = block, .bytes = bytes};
    at = (sizeof *chunk + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    for (; at + cells->bytes <= bytes; at += cells->bytes) {
        struct cell *cell = (void *)((char *)chunk + at);

        cell->chunk = chunk;
        chunk_free_cell(chunk, cell);
    }
    list_prepend(&cells->roomy, &chunk->roomy);
    return chunk;
}

static void chunk_free(struct chunk *chunk)
{
    list_remove(&chunk->roomy);
    (void)munlock(chunk, chunk->bytes);
    (void)madvise(chunk, chunk->bytes, MADV_DODUMP);
    mem_free(chunk->block);
}

/* Also for the first cell of a chunk that was empty: a fork, which inherits no lock, may have come
 * since. */
static void chunk_lock(struct chunk *chunk)
{
    pid_t process = getpid();

    if (chunk->locked_by == process)
        return;
    chunk->locked_by = process;
    (void)mlock(chunk, chunk->bytes);
    (void)madvise(chunk, chunk->bytes, MADV_DONTDUMP);
}

void *cells_take(struct cells *cells)
{
    struct chunk *chunk = list_is_empty(&cells->roomy)
                              ? chunk_new(cells)
                              : list_entry(cells->roomy.next, struct chunk, roomy);
    struct cell *cell = chunk->free;

    if (chunk->used++ == 0)
        chunk_lock(chunk);
    chunk->free = cell->inside.next;
    if (chunk->free == NULL)
        list_remove(&chunk->roomy);
    memset(&cell->inside, 0, cells->bytes - offsetof(struct cell, inside));
    return &cell->inside;
}

void cells_give(struct cells *cells, void *inside)
{
    struct cell *cell = inside == NULL ? NULL : list_owner(inside, offsetof(struct cell, inside));
    struct chunk *chunk;

    if (cell == NULL)
        return;
    chunk = cell->chunk;
    CHECK(chunk->used > 0);
    explicit_bzero(&cell->inside, cells->bytes - offsetof(struct cell, inside));
    if (chunk->free == NULL)
        list_prepend(&cells->roomy, &chunk->roomy);
    chunk_free_cell(chunk, cell);
    chunk->used--;
    if (chunk->used == 0 && cells->roomy.next != cells->roomy.previous) /* another one has room */
        chunk_free(chunk);
}
