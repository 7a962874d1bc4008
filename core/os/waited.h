/*
 * waited - how long a process was ready to run while the system ran others.
 *
 * On a busy machine, or above a quota of its container, that is most of the time, and no fault of
 * the process: what is bounded by the clock does not count it.
 */
#ifndef OS_WAITED_H
#define OS_WAITED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Milliseconds since the process began, of its first thread, which is the one of the loop (Linux,
 * Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat"). 0: the system does not say, or
 * there is no such process. */
uint64_t waited_ms(pid_t);
/* The process has not done in time what it was to do until *until_ms. If it has waited since
 * *granted_ms, it gets that time, too. False: it has not, or for next to nothing. */
bool waited_grant(pid_t, uint64_t *until_ms, uint64_t *granted_ms);

#endif
