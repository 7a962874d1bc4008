/*
 * differences - which settings of two scripts differ, by their names. Pure.
 */
#ifndef RELOAD_DIFFERENCES_H
#define RELOAD_DIFFERENCES_H

#include "base/buffer.h"

/* Both are what config_print writes. Appends "backends, health.interval"; nothing if all are the
 * same. `listen` and `workers` are left out, as they do not change. */
void differences_name(struct buffer *out, struct slice before, struct slice after);

#endif
