/*
 * table_memory - what the table is in the segment, and what a value is.
 *
 * shared/table.c has the picture of it, and with shared/cells.c the functions.
 */
#ifndef SHARED_TABLE_MEMORY_H
#define SHARED_TABLE_MEMORY_H

#include <stdalign.h>
#include <stdatomic.h>
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

struct table { /* all zero: empty */
    /* Of the hash, so that no client can choose a bucket. */
    alignas(64) _Atomic uint64_t seed;
    /* When all cells were last looked through. */
    alignas(64) _Atomic uint64_t searched_ms;
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
    uint16_t type;       /* enum table_type */
    uint8_t is_kept;     /* over a restart, if there is --state; 1 or 0 */
    uint8_t is_sum;      /* what was added, and not set */
    uint32_t length;     /* of the text */
    char text[TABLE_TEXT_BYTES_MAX];
};

#endif
