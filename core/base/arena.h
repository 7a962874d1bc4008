/*
 * arena - memory of one request: taken piece by piece, given back at once.
 *
 * The first block is its owner's, so a small request takes none of its own.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_block;

struct arena {
    char *next, *end;           /* what is free in the newest block */
    struct arena_block *blocks; /* those beyond the first, newest first */
};

/* Borrows first. */
inline void arena_init(struct arena *a, void *first, size_t bytes)
{
    *a = (struct arena){.next = first, .end = (char *)first + bytes};
}

void arena_free_blocks(struct arena *); /* for arena_dispose: those beyond the first */

/* Everything taken from it is gone. */
inline void arena_dispose(struct arena *a)
{
    if (a->blocks != NULL)
        arena_free_blocks(a);
    a->next = a->end = NULL;
}

void *arena_alloc(struct arena *, size_t bytes); /* aligned for anything, undefined */
size_t arena_bytes(const struct arena *);   /* of the blocks beyond the first, as mem counts them */
void arena_trim(struct arena *, void *end); /* what was taken last ends here */
void *arena_zalloc(struct arena *, size_t bytes);
struct slice arena_copy(struct arena *, struct slice); /* with a NUL behind it */

#endif
