/*
 * victim - which key a full table lets go of, so that another one can be taken.
 *
 * What expires first, and of the name that has more than its share: a name gives up its own keys
 * before it takes from another, unless it has clearly less than the others. So a client that makes
 * up keys under one name pushes out that name's. A value without a time to live is never let go.
 */
#ifndef SHARED_VICTIM_H
#define SHARED_VICTIM_H

#include "shared/cells.h"

struct victim {
    struct cell_claimed cell; /* as it was when it was seen */
    uint32_t bucket;
    uint64_t expires_ms;
};

/* For a new key of that group; false: there is none to let go. */
bool victim_find(const struct table *, uint16_t group, struct victim *);

#endif
