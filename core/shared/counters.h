/*
 * counters - named counts, one truth for all workers, kept over reloads.
 */
#ifndef SHARED_COUNTERS_H
#define SHARED_COUNTERS_H

#include "base/slice.h"
#include "shared/segment.h"

/* The counter of that name, made at 0 if it is new. NULL if the name is empty
 * or too long (SEGMENT_NAME_BYTES - 1), or all SEGMENT_COUNTERS_MAX are taken.
 * Two processes that ask for one name at once get the same counter. */
struct segment_counter *counters_find(struct segment *, struct slice name);

bool counters_is_named(const struct segment_counter *);

/* For scripts, which may hold no pointer. */
uint32_t counters_number(const struct segment *, const struct segment_counter *);

/* 1, 2, .., n, 1, .. in turn over all callers; 0 if n is 0. */
uint32_t counters_next(struct segment_counter *, uint32_t n);
double counters_add(struct segment_counter *,
                    double amount); /* whole numbers, also negative; gives the new value */
double counters_get(const struct segment_counter *);

#endif
