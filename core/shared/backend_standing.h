/*
 * backend_standing - what a backend is to scripts: up, down, ejected or draining, and since when.
 *
 * The same for all workers, and kept over the end of any. Backends go by their slot, times
 * are the steady clock's, in ms.
 */
#ifndef SHARED_BACKEND_STANDING_H
#define SHARED_BACKEND_STANDING_H

#include "shared/segment.h"

enum backend_standing { STANDING_UP, STANDING_DOWN, STANDING_EJECTED, STANDING_DRAINING };

/* What it is, the strongest reason not to be up first: draining, down, ejected. */
enum backend_standing standing_of(const struct segment *, unsigned slot, uint64_t now_ms);
uint64_t standing_since_ms(const struct segment *, unsigned slot, uint64_t now_ms);

/* True if that is a change. A backend that drains gets no more requests and ends those it has. */
bool standing_drain(struct segment *, unsigned slot, bool draining, uint64_t now_ms);

/* It is another backend's from now on: its weight and all times are forgotten. */
void standing_clear(struct segment *, unsigned slot);

#endif
