/*
 * wake - one worker wakes another, which may sleep until something happens.
 *
 * An eventfd for each slot, made before the first fork: every process has all of them, and a worker
 * that takes a slot over later waits on the same one. To be woken says that somebody has written
 * something in the segment, no more: it may come twice, or for the worker before.
 */
#ifndef SHARED_WAKE_H
#define SHARED_WAKE_H

#include "shared/segment.h"

int wake_open(struct segment *, unsigned workers) MUST_USE; /* -1 and errno if the system refuses */
void wake_worker(const struct segment *, unsigned worker);
int wake_fd(const struct segment *, unsigned worker);    /* is readable when that was called */
void wake_hear(const struct segment *, unsigned worker); /* and now is not */

/* The same of one eventfd; -1: none, so that nobody is woken. */
int wake_make(void) MUST_USE; /* -1 and errno if the system refuses */
void wake_call(int fd);
void wake_clear(int fd);

#endif
