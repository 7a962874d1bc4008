/*
 * table - values by key, one truth for all processes of a balancer.
 *
 * Kept in the segment, so it outlives any process and any reload. Every change of
 * a key is one atomic step, also if others make one at the same time: nothing is lost and
 * nothing is ever seen half written. No locks: a process that is killed or stopped
 * in the middle of a change holds up nobody, and what it had taken is found and
 * used again. Bounded: what has expired makes room for a new key, and then what
 * expires first (shared/victim.h). What has no time to live stays: a new key is
 * refused when there is nothing else.
 */
#ifndef SHARED_TABLE_H
#define SHARED_TABLE_H

#include "base/check.h"
#include "base/slice.h"
#include "shared/table_memory.h"

#include <stdbool.h>

enum table_decision { TABLE_KEEP, TABLE_REPLACE, TABLE_REMOVE };

enum table_outcome { TABLE_DONE, TABLE_FULL };

/* Decides what happens to a key: fills `now` for TABLE_REPLACE. `old` is NULL if there is no
 * value, or an expired one. Called again if another process was faster, so it must decide
 * from its arguments alone. */
typedef enum table_decision table_change(void *data, const struct table_value *old,
                                         struct table_value *now);

/* Keys have 1 to TABLE_KEY_BYTES_MAX bytes. A group is a number for the keys of one name. */
bool table_read(struct table *, struct slice key, struct table_value *); /* false: no value */
enum table_outcome table_update(struct table *, struct slice key, uint16_t group, table_change *,
                                void *data) MUST_USE;
/* How many keys there are, counted now, after a look at every cell (milliseconds). */
uint32_t table_count(struct table *);

#endif
