/*
 * weight - how much of the requests a backend is meant to get: what its script says, what was set
 * over it since, and less for a while after it came back.
 *
 * The same for all workers. Weights are 0 to 65535; with 0 a backend gets no new requests. Backends
 * go by their slot, times are the steady clock's, in ms.
 */
#ifndef SHARED_WEIGHT_H
#define SHARED_WEIGHT_H

#include "shared/segment.h"

/* As the script says, unless another one was set since; a script with another weight for it
 * has the last word. */
uint32_t weight_of(const struct segment *, unsigned slot, uint32_t in_script);
bool weight_set(struct segment *, unsigned slot, uint32_t in_script, uint32_t weight);

/* What the script says, for processes without one; and whether anything is left of it. */
void weight_note_script(struct segment *, unsigned slot, uint32_t in_script);
bool weight_is_some(const struct segment *, unsigned slot);

/* The weight as it is now: less, from a tenth on, for ramp_s after it came back. Lua calls it by
 * name, too: without such a slot it is the script's. */
double weight_now(const struct segment *, uint32_t slot, uint32_t in_script, double ramp_s);

void weight_clear(struct segment *, unsigned slot); /* it is another backend's from now on */

#endif
