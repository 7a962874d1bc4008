/*
 * store - what scripts keep in the table: values, sums over a time, buckets of tokens.
 *
 * core/lua/shared.lua calls these by name; the segment comes as a plain pointer.
 * Times are seconds. All are exact over all processes.
 */
#ifndef SHARED_STORE_H
#define SHARED_STORE_H

#include "shared/segment.h"

enum {
    STORE_KEY_BYTES_MAX = 128, /* of a key, and of a window's name; a longer one is hashed */
    STORE_NAME_BYTES_MAX = 48, /* of a bucket */
    STORE_WINDOW_SLICES = 60,
};

enum store_outcome {
    STORE_DONE,
    STORE_FULL,      /* no room for another key */
    STORE_PRESENT,   /* store_add: there is a value */
    STORE_NO_NUMBER, /* store_incr: the value is none */
    STORE_TOO_LONG,  /* the text is */
};

struct table *store_table(struct segment *); /* where it is kept, for specs and metrics */
/* Of the last call; NULL: no value. Good until the next call. */
const struct table_value *store_get(struct segment *, const char *key, size_t length);

struct store_value {  /* also declared in core/lua/shared.lua: change both */
    uint32_t type;    /* enum table_type */
    double number;    /* a boolean's is 0 or 1 */
    const char *text; /* borrowed */
    size_t length;    /* of the text */
    double ttl;       /* 0: for ever */
};

int32_t store_set(struct segment *, const char *key, size_t length, const struct store_value *,
                  bool only_if_absent);
int32_t store_remove(struct segment *, const char *key, size_t length);
/* Adds; a key without a value begins at 0, and lives for ttl from then on. */
int32_t store_incr(struct segment *, const char *key, size_t length, double by, double ttl,
                   double *sum);

/* A sum over the last `seconds`, in slices of a 60th: what was added is in it for at least
 * 59/60 of that time and at most all of it. The name and the seconds make the window. */
int32_t store_window_add(struct segment *, const char *name, size_t length, double seconds,
                         double amount, double *sum);
double store_window_get(struct segment *, const char *name, size_t length, double seconds);

struct store_bucket { /* also declared in core/lua/shared.lua: change both */
    const char *name; /* borrowed */
    size_t length;    /* of the name */
    double rate;      /* new tokens a second, */
    double burst;     /* and how many a full one holds; both may be others than before */
};

/* Takes so many tokens out of the key's bucket. 1: taken; 0: not, and *wait says in how many
 * seconds they are there; -1: no room for another key; -2: the bucket's name is too long. */
int32_t store_bucket_take(struct segment *, const struct store_bucket *, const char *key,
                          size_t length, double tokens, double *wait);

#endif
