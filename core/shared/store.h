/*
 * store - what scripts keep in the table, by key: the same that lb.get and lb.set see.
 */
#ifndef SHARED_STORE_H
#define SHARED_STORE_H

#include "base/slice.h"
#include "shared/segment.h"

enum store_outcome {
    STORE_DONE,
    STORE_FULL,      /* no room for another key */
    STORE_PRESENT,   /* store_set, only_if_absent: there is a value */
    STORE_NO_NUMBER, /* store_incr: the value is none */
    STORE_TOO_LONG,  /* the text is */
};

struct store_value {  /* also declared in core/lua/shared.lua: change both */
    uint32_t type;    /* enum table_type */
    double number;    /* a boolean's is 0 or 1 */
    const char *text; /* borrowed */
    size_t length;    /* of the text */
    double ttl;       /* 0: for ever */
    bool is_kept;     /* over a restart, if there is --state */
};

/* NULL: no value. Good until the next call. */
const struct table_value *store_get(struct segment *, const char *key, size_t length);
/* An enum store_outcome. */
int32_t store_set(struct segment *, const char *key, size_t length, const struct store_value *,
                  bool only_if_absent);
int32_t store_remove(struct segment *, const char *key, size_t length);

/* For who lists them: what is in that cell now, and its key; NULL: no value. Good until the next
 * call. A key that is changed meanwhile may come twice, or not at all. Of one longer than 128 bytes
 * the table has only a digest, so it never comes. */
const struct table_value *store_at(struct segment *, uint32_t cell, struct slice *key);
uint32_t store_cells(const struct segment *); /* from 0 on */

#endif
