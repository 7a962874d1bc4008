/*
 * merge - the lists of all sources as one, for the roster.
 *
 * Of two that have one name or, from different sources, one address, the first stays; the script's
 * own backends come before all others.
 */
#ifndef DISCOVER_MERGE_H
#define DISCOVER_MERGE_H

#include "config/config.h"
#include "discover/found.h"
#include "shared/roster.h"

struct merge_cell {
    uint64_t hash; /* 0: free */
    unsigned source;
};

struct merge {
    const struct config *config;
    struct roster_head head;
    struct roster_entry *entries;
    struct merge_cell *names, *addresses;
    unsigned room, twice;
    const char *twice_name, *twice_source; /* of the last one that was left out */
};

void merge_begin(struct merge *, const struct config *, uint64_t edition);
void merge_add(struct merge *, const char *source, const struct found_list *);
void merge_end(struct merge *, struct segment *); /* roster_want; and all is given back */

#endif
