/*
 * slots - which backend has which place on the board, over all reloads.
 *
 * A backend is its name and its address: while both stay, it keeps its slot, and
 * with that its state, its numbers and its connections, wherever in the list it
 * stands. The slot of a removed backend is given to another one only when
 * no request goes by a script that had it. Pure.
 */
#ifndef SHARED_SLOTS_H
#define SHARED_SLOTS_H

#include "base/check.h"
#include "shared/segment.h"

struct slots {
    uint64_t identity[SEGMENT_BACKENDS_MAX]; /* 0: the slot is free */
    bool is_left[SEGMENT_BACKENDS_MAX];      /* the current script does not have it any more */
};

/* Never 0. */
uint64_t slots_identity(const char *name, const char *address);

/* Where the backends of another script would be; changes nothing. False: there is no room, as
 * too many of those that were removed are in use still. */
bool slots_find(const struct slots *, const uint64_t *identities, unsigned count,
                uint16_t *out) MUST_USE;
/* It is the current script now. */
void slots_follow(struct slots *, const uint64_t *identities, const uint16_t *places,
                  unsigned count);
bool slots_is_left(const struct slots *, unsigned slot); /* by a backend that may be in use still */
void slots_give_back(struct slots *, unsigned slot);     /* it is not */

bool slots_has(const struct slots *, unsigned slot); /* a backend of the current script is there */

#endif
