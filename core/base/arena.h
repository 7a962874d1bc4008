/*
 * arena - memory of one request: taken piece by piece, given back at once.
 *
 * The first block is its owner's, so a small request takes none of its own.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

#include <stdint.h>

enum { ARENA_ALIGNMENT = 16 };

struct arena_block;

struct arena {
    char *next, *end;           /* what is free in the newest block, both aligned for anything */
    struct arena_block *blocks; /* those beyond the first, newest first */
};

/* Borrows first. */
inline void arena_init(struct arena *a, void *first, size_t bytes)
{
    size_t skip = (size_t)(-(uintptr_t)first & (ARENA_ALIGNMENT - 1));
    size_t room = bytes > skip ? (bytes - skip) & ~(size_t)(ARENA_ALIGNMENT - 1) : 0;
    char *next = (char *)first + skip;

    *a = (struct arena){.next = next, .end = next + room};
}

void arena_free_blocks(struct arena *); /* for arena_dispose: those beyond the first */

/* Everything taken from it is gone. */
inline void arena_dispose(struct arena *a)
{
    if (a->blocks != NULL)
        arena_free_blocks(a);
    a->next = a->end = NULL;
}

void *arena_alloc_block(struct arena *, size_t bytes); /* for arena_alloc: of a block more */

inline size_t arena_rounded(size_t bytes)
{
    return (bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
}

inline void *arena_alloc(struct arena *a, size_t bytes) /* aligned for anything, undefined */
{
    char *piece = a->next;

    if ((size_t)(a->end - piece) < bytes)
        return arena_alloc_block(a, bytes);
    a->next = piece + arena_rounded(bytes); /* not behind the end, which is aligned, too */
    return piece;
}

size_t arena_bytes(const struct arena *);   /* of the blocks beyond the first, as mem counts them */
void arena_trim(struct arena *, void *end); /* what was taken last ends here */
void *arena_zalloc(struct arena *, size_t bytes);
struct slice arena_copy(struct arena *, struct slice); /* with a NUL behind it */

#endif
