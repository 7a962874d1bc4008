/*
 * roster - who the backends are, by slot: for processes that have no script.
 *
 * Only the supervisor writes, when it gives out slots. An entry stays when its backend is removed,
 * until another one gets the slot: requests may still be on their way there.
 */
#ifndef SHARED_ROSTER_H
#define SHARED_ROSTER_H

#include "shared/segment.h"

void roster_put(struct segment *, unsigned slot, const struct roster_entry *);
/* False: nobody was ever there, or another one comes this moment. */
bool roster_read(const struct segment *, unsigned slot, struct roster_entry *out) MUST_USE;
/* The slot of the backend of the current script with that name; SEGMENT_BACKENDS_MAX: none has. */
unsigned roster_find(const struct segment *, const char *name);

#endif
