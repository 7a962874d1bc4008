/*
 * nearest - the name that was probably meant.
 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include "base/slice.h"

#include <stddef.h>

/* The candidate with the fewest letters to change, add, drop or swap, or the only one that
 * it begins ("budget_ms" for "budget"), or NULL if none is near enough to be
 * worth a question. Borrows everything. */
const char *nearest_name(struct slice wrong, const char *const *candidates, size_t count);

#endif
