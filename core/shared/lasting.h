/*
 * lasting - what persons have set of backends, written for the next start of lb.
 *
 * Drains, weights and ejections that a person set, and the changes that say who and why; backends
 * go by their identity (shared/slots.h). With them stands what the script said last, so that a
 * script that says the same takes nothing back (shared/steer.h). Times are since 1970: zero_ms is
 * when the steady clock began. A reader takes the records that it knows (base/records.h):
 *
 *   backend   identity, name, by_admin, draining, drained_ms, weight, script_drains, script_weight,
 *             ejected_ms, ejected_until_ms
 *   change    identity, wall_us, from, to, by, why: the oldest first
 *   entry     what scripts set with { keep = true }: as in shared/carried.h
 */
#ifndef SHARED_LASTING_H
#define SHARED_LASTING_H

#include "base/records.h"
#include "shared/slots.h"

void lasting_write(struct segment *, const struct slots *, uint64_t zero_ms, struct buffer *);
/* Before any request. A backend that the script has no longer is passed over. */
void lasting_read(struct segment *, const struct slots *, uint64_t zero_ms, struct slice);

#endif
