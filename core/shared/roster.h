/*
 * roster - who the backends are, by slot, and which of them sources have found.
 *
 *   monitor --wanted--> supervisor, which gives slots --list, entries--> workers, monitor, admin
 *
 * Each of the two has one writer, and a number that is written last: a list is seen whole, or the
 * one before it. Of an entry only the supervisor writes, when it gives out slots. An entry stays
 * when its backend is removed, until another one gets the slot: requests may still be on their way
 * there.
 */
#ifndef SHARED_ROSTER_H
#define SHARED_ROSTER_H

#include "base/buffer.h"
#include "shared/segment.h"

void roster_put(struct segment *, unsigned slot, const struct roster_entry *);
/* False: nobody was ever there, or another one comes this moment. */
bool roster_read(const struct segment *, unsigned slot, struct roster_entry *out) MUST_USE;
uint32_t roster_version(const struct segment *, unsigned slot); /* another one: read it again */
/* The slot of the backend of the current script with that name; SEGMENT_BACKENDS_MAX: none has. */
unsigned roster_find(const struct segment *, const char *name);

/* --- what sources have found --- */

/* In the monitor: that is all of them now. */
void roster_want(struct segment *, const struct roster_head *, const struct roster_entry *);
uint64_t roster_wanted(const struct segment *); /* its number; 0: none, or not whole */
/* Of that number; entries: room for SEGMENT_BACKENDS_MAX. False: it is another by now. */
bool roster_read_wanted(const struct segment *, uint64_t number, struct roster_head *,
                        struct roster_entry *entries) MUST_USE;
/* What a person gives, as JSON: ROSTER_TEXT_BYTES at most; by the admin process. */
void roster_give(struct segment *, struct slice json);
uint64_t roster_given(const struct segment *);
bool roster_read_given(const struct segment *, uint64_t number, struct buffer *) MUST_USE;
/* In the supervisor, and everywhere. */
void roster_publish(struct segment *, const struct roster_list *);
uint64_t roster_listed(const struct segment *);
bool roster_read_list(const struct segment *, uint64_t number, struct roster_list *) MUST_USE;

#endif
