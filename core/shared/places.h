/*
 * places - clients are counted over all workers: limits.connections.
 *
 * Each worker writes how many it has, and whoever lets somebody in takes the sum. There are no
 * locks: workers that let somebody in in the same instant may go beyond a limit together. A worker
 * that finds no place says so; one that has somebody who rests closes him, and whoever frees a
 * place tells the one that wants it. Of several that want one the last is told: the others look
 * again a moment later, as one does whose word a worker took with it when it died.
 */
#ifndef SHARED_PLACES_H
#define SHARED_PLACES_H

#include "shared/segment.h"

uint64_t places_taken(const struct segment *);
/* Wakes all others that have clients, unless somebody has asked them just now. */
void places_want(struct segment *, unsigned worker, uint64_t now_ms);
bool places_are_wanted(const struct segment *, unsigned worker); /* by another one */
void places_free(struct segment *, unsigned worker); /* a client of this worker has left */

#endif
