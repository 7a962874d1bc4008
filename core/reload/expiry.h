/*
 * expiry - what the log says of certificates: which are loaded, and which end soon.
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

/* Often: says what there is to say of the current edition. */
void expiry_look(struct expiry *, const struct edition *);
uint64_t expiry_next_ms(const struct expiry *, const struct edition *); /* when at the latest */

#endif
