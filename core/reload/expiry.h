/*
 * expiry - logs certificates: how many are loaded, and which expire soon.
 */
#ifndef RELOAD_EXPIRY_H
#define RELOAD_EXPIRY_H

#include "reload/edition.h"

#include <stdint.h>

struct expiry {       /* all zero: nothing was looked at */
    uint64_t edition; /* the number of the edition that was looked at */
    int64_t looked_s; /* when, wall clock */
    uint64_t look_ms; /* when the next time, steady clock */
};

/* Called often: logs what is due for the current edition. */
void expiry_look(struct expiry *, const struct edition *);
uint64_t expiry_next_ms(const struct expiry *, const struct edition *); /* when at the latest */

#endif
