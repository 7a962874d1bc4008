/*
 * carried - what has a name in the segment, written for a program whose segment has another layout.
 *
 * That are counters; values, windows and buckets; and of each backend, by its identity
 * (shared/slots.h), its verdict, ejection, drain and weight. Times are the steady clock's, which
 * goes on. A reader takes the kinds of records that it knows (base/records.h):
 *
 *   counter   name, value
 *   entry     key, group, expires_ms, kept, type, number (a double's bits), text: of shared/table.h
 *   state     identity, verdict, ejection, draining, weight, weight_known, back_ms, ejected_ms,
 *             drained_ms, failures_in_row
 */
#ifndef SHARED_CARRIED_H
#define SHARED_CARRIED_H

#include "base/records.h"
#include "shared/slots.h"

/* Others may change all of that meanwhile: each is as it was at some moment in between. */
void carried_write(struct segment *, const struct slots *, struct buffer *out);
/* Of the entries those that scripts want to be kept over a restart, with times that began zero_ms
 * before the steady clock. */
void carried_write_kept(struct segment *, uint64_t zero_ms, struct buffer *out);
/* Into a segment where no worker has run yet. How many values found no room. zero_ms: 0, or as they
 * were written. */
unsigned carried_read_values(struct segment *, uint64_t zero_ms, struct slice text);
/* For backends whose slots are open. Those that are not in the text stay as they are. */
void carried_read_backends(struct segment *, const struct slots *, struct slice text);

#endif
