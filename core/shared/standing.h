/*
 * standing - what scripts and time make of a backend, beside its health: whether it drains,
 * its weight, and since when it is what it is.
 *
 * The same for all workers, and kept over the end of any. Backends go by their slot, times
 * are the steady clock's, in ms.
 */
#ifndef SHARED_STANDING_H
#define SHARED_STANDING_H

#include "shared/segment.h"

enum { STANDING_RAMP_STEPS = 10 }; /* it begins at one part in so many */

enum standing { STANDING_UP, STANDING_DOWN, STANDING_EJECTED, STANDING_DRAINING };

/* What it is, the strongest reason not to be up first: draining, down, ejected. */
enum standing standing_of(const struct segment *, unsigned slot, uint64_t now_ms);
uint64_t standing_since_ms(const struct segment *, unsigned slot, uint64_t now_ms);

/* True if that is a change. A backend that drains gets no more requests and ends those it has. */
bool standing_drain(struct segment *, unsigned slot, bool draining, uint64_t now_ms);

/* It came back: from being down (but not at the start), ejected or drained. */
void standing_note_back(struct segment *, unsigned slot, uint64_t now_ms);
void standing_note_ejected(struct segment *, unsigned slot, uint64_t now_ms);

/* As the script says, unless another one was set since; a script with another weight for it
 * has the last word. Weights are 0 to 65535; with 0 a backend gets no new requests. */
uint32_t standing_weight(const struct segment *, unsigned slot, uint32_t in_script);
bool standing_set_weight(struct segment *, unsigned slot, uint32_t in_script, uint32_t weight);

/* What the script says, for those who have no script; and what is so over it. */
void standing_note_weight(struct segment *, unsigned slot, uint32_t in_script);
bool standing_has_weight(const struct segment *, unsigned slot);

/* From a tenth to 1 over ramp_ms after it came back; 0: it never did. */
double standing_ramp(uint64_t back_ms, uint64_t ramp_ms, uint64_t now_ms);
double standing_effective_weight(const struct segment *, unsigned slot, uint32_t in_script,
                                 uint64_t ramp_ms, uint64_t now_ms);

void standing_clear(struct segment *, unsigned slot); /* it is another backend's from now on */

#endif
