/*
 * metrics - numbers that lb keeps anyway, by name, for scripts: lb.metric(name).
 *
 * Each is the sum over all workers of what the segment has, those that died excepted
 * where the supervisor clears them.
 */
#ifndef SHARED_METRICS_H
#define SHARED_METRICS_H

#include "base/slice.h"
#include "shared/segment.h"

#include <stdbool.h>
#include <stddef.h>

/* --- for lua/prelude.lua, which calls them by name --- */

bool metrics_read(const struct segment *, struct slice name, double *value); /* false: no such */
/* The name that was probably meant, or NULL. Good until the next call. */
const char *metrics_near(struct slice name);

#endif
