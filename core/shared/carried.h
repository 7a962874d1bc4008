/*
 * carried - what has a name in the segment, written for a program whose segment has another layout.
 *
 * That are counters; values, windows and buckets; a script's metrics; what lb counts; and of each
 * backend, by its identity (shared/slots.h), its numbers, verdict, ejection, drain and weight.
 * Times are the steady clock's, which goes on. A reader takes the kinds of records that it knows
 * (base/records.h):
 *
 *   started   ms, wall_us: lb
 *   counter   name, value
 *   metric    name, kind, labels, max, value (a double's bits): shared/series.h
 *   series    the same of one text
 *   entry     key, group, expires_ms, kept, sum, type, number (a double's bits), text: of
 *             shared/table.h
 *   total     name, value: the sum over all processes
 *   workers   what they count besides, by name: the same
 *   state     identity, verdict, ejection, draining, weight, weight_known, back_ms, ejected_ms,
 *             drained_ms, failures_in_row
 *   numbers   identity, requests, failures, checks_passed, checks_failed, ejections, and how many
 *             tries have ended in each way, by its name
 *
 * While processes of the program before still run, what they do is not in these records. A process
 * of that program says from time to time which have changed (shared/changed.h).
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
/* The rest, for backends whose slots are open; those that are not in the text stay as they are.
 * base: a worker's slot, which no worker has, for what has been counted. */
void carried_read_numbers(struct segment *, const struct slots *, unsigned base, struct slice text);
/* What has changed since. How many values found no room. */
unsigned carried_read_changes(struct segment *, const struct slots *, unsigned base,
                              struct slice text);

#endif
