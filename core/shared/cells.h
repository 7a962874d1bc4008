/*
 * cells - the table's cells one by one: whose each is, and what is in it.
 *
 * For shared/table.c, which says how they become chains and why nothing is lost when
 * a process is killed. What is read from a cell of a chain is to be trusted only if the
 * chain is found unchanged afterwards.
 */
#ifndef SHARED_CELLS_H
#define SHARED_CELLS_H

#include "base/slice.h"
#include "shared/table_memory.h"

#include <stdbool.h>

enum cell_kind { CELL_FREE, CELL_OWNED, CELL_LIVE };

struct cell_claimed { /* a cell in one of its lives */
    uint32_t cell;
    uint64_t version;
};

struct cell_key {
    uint64_t hash;
    struct slice bytes;
    uint16_t group;
};

/* Of a word in table->states. */
uint64_t cell_version(uint64_t state);
enum cell_kind cell_kind(uint64_t state);
bool cell_owner_is_gone(uint64_t state); /* a system call */

bool cell_claim(struct table *, uint32_t cell, struct cell_claimed *); /* false: it is not free */
void cell_live(struct table *, struct cell_claimed);                   /* it is in a chain now */
void cell_release(struct table *, struct cell_claimed);                /* it is in none any more */

void cell_fill(struct table *, uint32_t cell, const struct cell_key *, const struct table_value *);
void cell_copy(struct table *, uint32_t to, uint32_t from);
void cell_link(struct table *, uint32_t cell, uint32_t bucket, uint32_t next); /* next: cell + 1 */
void cell_value(const struct table *, uint32_t cell, struct table_value *);
bool cell_is_of(const struct table *, uint32_t cell, const struct cell_key *);
bool cell_has_expired(const struct table *, uint32_t cell, uint64_t now_ms);

/* Is it a key's that has a time to live? What it is to be found by. To be trusted if that cell is
 * in the bucket's chain. */
bool cell_may_go(const struct table *, uint32_t cell, struct cell_claimed *, uint32_t *bucket,
                 uint16_t *group, uint64_t *expires_ms);

/* Which key it has, if it is in a chain, or was until now: the table says what the key has. */
bool cell_read_key(const struct table *, uint32_t cell, char room[TABLE_KEY_BYTES_MAX],
                   struct slice *key, uint16_t *group);

uint32_t cells_ever_used(const struct table *); /* the first so many */
/* Claims a cell that this process gave back lately. */
bool cells_claim_hinted(struct table *, struct cell_claimed *);

#endif
