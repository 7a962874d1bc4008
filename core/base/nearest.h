/*
 * nearest - the name that was probably meant.
 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include "base/slice.h"

#include <stddef.h>

/* The candidate with the fewest letters to change, add, drop or swap, or the only candidate
 * that begins with wrong ("budget_ms" for "budget"). NULL if none is near enough to ask
 * "did you mean". Borrows everything. */
const char *nearest_name(struct slice wrong, const char *const *candidates, size_t count);

#endif
