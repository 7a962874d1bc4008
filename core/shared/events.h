/*
 * events - the last events of the log, of all processes, for the admin process.
 *
 * A ring that everybody writes into without a lock and without a system call: whoever writes takes
 * the next number. A reader that is too slow misses some. What a process that died has left half
 * written, or two have written at once, fails its hash and is skipped.
 */
#ifndef SHARED_EVENTS_H
#define SHARED_EVENTS_H

#include "base/slice.h"
#include "shared/segment.h"

/* From now on each event that this process logs is put here while somebody wants them. */
void events_tap(struct segment *);

/* All processes log from that level on until then, by the steady clock; LOG_AS_OPENED: as they were
 * started. */
void events_set_level(struct segment *, int level, uint64_t until_ms);
/* For each process, a few times a second: follows it. The level, or LOG_AS_OPENED. */
int events_follow_level(const struct segment *, uint64_t now_ms, uint64_t *until_ms);

uint64_t events_next(const struct segment *); /* the number of the event that comes next */
/* Copies the next one from *number on, a JSON object, to the room, and *number is behind it then.
 * Empty: there is none. */
struct slice events_read(const struct segment *, uint64_t *number, char room[EVENT_BYTES]);

#endif
