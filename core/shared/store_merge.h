/*
 * store_merge - puts together what two programs have made of one key; and what a window and a
 * bucket are in the table, for shared/store.c.
 */
#ifndef SHARED_STORE_MERGE_H
#define SHARED_STORE_MERGE_H

#include "base/slice.h"
#include "shared/segment.h"

/* In the table of another program a key of the table has changed since it was carried over from
 * there (shared/carried.h): the same is done here, where it may have changed, too. NULL: there was
 * no value, or is none. False: it finds no room. */
bool store_merge(struct segment *, struct slice key, uint16_t group, const struct table_value *was,
                 const struct table_value *is) MUST_USE;

enum { WINDOW_SLICES = 60 };

struct slices {
    uint64_t last;                 /* the number of the newest, since the clock's start */
    double amounts[WINDOW_SLICES]; /* of slice n at n modulo their count */
};

void slices_read(struct slices *, const struct table_value *); /* NULL: an empty window */
/* Forgets what is too old by then. Never goes back: another process may be ahead. */
void slices_advance(struct slices *, uint64_t to);

struct level {
    double tokens; /* left in the bucket */
    double at_us;  /* at this time of the steady clock */
};

#endif
