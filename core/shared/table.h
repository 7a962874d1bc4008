/*
 * table - values by key, one truth for all processes of a balancer.
 *
 * Kept in the segment, so it outlives any process and any reload. Every change of
 * a key is one atomic step, whoever makes it at the same time: nothing is lost and
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

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    TABLE_KEYS_MAX = 65536,
    TABLE_CELLS = TABLE_KEYS_MAX + 2048, /* a change needs one or a few besides those in use */
    TABLE_BUCKETS = 131072,              /* a power of two */
    TABLE_KEY_BYTES_MAX = 192,
    TABLE_TEXT_BYTES_MAX = 1024,
};

struct table_cell {
    alignas(64) _Atomic uint64_t link; /* the bucket, and the next cell of the chain */
    _Atomic uint64_t expires_ms;       /* steady clock; 0: never */
    _Atomic uint64_t about;            /* type and lengths */
    _Atomic uint64_t number;           /* a double's bits */
    _Atomic uint64_t hash;             /* of the key */
    _Atomic uint64_t key[TABLE_KEY_BYTES_MAX / 8];
};

struct table {                         /* all zero: empty */
    alignas(64) _Atomic uint64_t seed; /* of the hash, so that no client can choose a bucket */
    alignas(64) _Atomic uint64_t searched_ms; /* when all cells were last looked through */
    _Atomic uint32_t used; /* keys, nearly; counted anew when they are too many */
    _Atomic uint32_t high; /* cells from here on were never in use */
    _Atomic uint32_t hand; /* the next cell to be tidied */
    alignas(64) _Atomic uint64_t states[TABLE_CELLS];
    alignas(64) _Atomic uint64_t buckets[TABLE_BUCKETS];
    struct table_cell cells[TABLE_CELLS];
    _Atomic uint64_t texts[TABLE_CELLS][TABLE_TEXT_BYTES_MAX / 8];
};

enum table_type { TABLE_NUMBER = 1, TABLE_BOOLEAN, TABLE_TEXT };

struct table_value {     /* also declared in core/lua/shared.lua: change both */
    uint64_t expires_ms; /* steady clock; 0: never */
    double number;       /* a boolean's is 0 or 1 */
    uint32_t type;       /* enum table_type */
    uint32_t length;     /* of the text */
    char text[TABLE_TEXT_BYTES_MAX];
};

enum table_decision { TABLE_KEEP, TABLE_REPLACE, TABLE_REMOVE };

enum table_outcome { TABLE_DONE, TABLE_FULL };

/* What is to become of a key: fills `now` for TABLE_REPLACE. `old` is NULL if there is no
 * value, or only one that has expired. Called again if somebody else was faster, so it
 * must come to its decision from what it is given alone. */
typedef enum table_decision table_change(void *data, const struct table_value *old,
                                         struct table_value *now);

/* Keys have 1 to TABLE_KEY_BYTES_MAX bytes. A group is a number for those of one name. */
bool table_read(struct table *, struct slice key, struct table_value *); /* false: no value */
enum table_outcome table_update(struct table *, struct slice key, uint16_t group, table_change *,
                                void *data) MUST_USE;
/* How many keys there are, counted now, after a look at every cell (milliseconds). */
uint32_t table_count(struct table *);

#endif
