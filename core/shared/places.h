/*
 * places - clients are counted over all workers: limits.connections.
 *
 * Each worker writes how many it has, and takes the sum before it accepts another. There are no
 * locks: workers that accept in the same instant may go beyond a limit together. A worker without a
 * place says so; another that has a resting client closes it, and a worker that frees a place wakes
 * the worker that wants it. If several want a place, the last is woken: the others look again a
 * moment later, as they do if a worker died that was about to wake them.
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
