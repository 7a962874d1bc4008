/*
 * cells - secret blocks of one size, in pages that are locked, and that no core dump has.
 *
 * The pages are counted as memory (base/mem), and are locked as far as the system allows it
 * (RLIMIT_MEMLOCK). They are not given back before all their cells are.
 */
#ifndef BASE_CELLS_H
#define BASE_CELLS_H

#include "base/list.h"

struct cells {
    size_t bytes;           /* of each cell */
    struct list_node roomy; /* chunks that have a free cell */
};

void cells_init(struct cells *, size_t bytes);
void *cells_take(struct cells *); /* all zero */
/* Wipes the cell; NULL is fine. */
void cells_give(struct cells *, void *cell);

#endif
