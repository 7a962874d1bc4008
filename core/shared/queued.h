/*
 * queued - which workers have requests that wait for a place at a backend.
 *
 * Who gives a place back wakes one of them, the next one after itself, so that all have their
 * turn; without any that costs a fence and a load. A worker that dies leaves its mark until the
 * supervisor takes it away, and whoever is woken for nothing looks, no more. A wake that is lost
 * costs some ms: who waits looks by itself, too.
 */
#ifndef SHARED_QUEUED_H
#define SHARED_QUEUED_H

#include "shared/segment.h"

/* For the worker that waits. Look for room after the mark is set, not before. */
void queued_set(struct segment *, unsigned slot, unsigned worker);
void queued_clear(struct segment *, unsigned slot, unsigned worker);
/* One place is free, by this worker. */
void queued_wake(const struct segment *, unsigned slot, unsigned worker);
void queued_forget_worker(struct segment *, unsigned worker);

/* How many requests wait, over all workers; and one more, or less, in this one. */
uint32_t queued_requests(const struct segment *);
void queued_count(struct segment *, unsigned worker, uint32_t waiting);

#endif
