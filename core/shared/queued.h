/*
 * queued - which workers have requests that wait for a place at a backend.
 *
 * A worker that gives a place back wakes the worker whose first request has waited longest; if none
 * waits, that costs a fence and a load. A worker that dies leaves its mark until the
 * supervisor takes it away; a worker that is woken for nothing looks, no more. A wake that is lost
 * costs some ms: a waiting worker looks by itself, too.
 */
#ifndef SHARED_QUEUED_H
#define SHARED_QUEUED_H

#include "shared/segment.h"

/* For the worker that waits. Look for room after the mark is set, not before. */
void queued_set(struct segment *, unsigned slot, unsigned worker);
void queued_clear(struct segment *, unsigned slot, unsigned worker);
void queued_wake(const struct segment *, unsigned slot); /* a place is free */
void queued_forget_worker(struct segment *, unsigned worker);

uint32_t queued_requests(const struct segment *); /* that wait, over all workers */
/* So many in this worker, the first of them since then (steady clock; 0: none does). */
void queued_note(struct segment *, unsigned worker, uint32_t waiting, uint64_t since_us);

#endif
