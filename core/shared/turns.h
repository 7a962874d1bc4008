/*
 * turns - whose turn it is, one truth for all workers.
 *
 * A turn goes by its number. The first numbers belong to the counters (shared/counters.h). Behind
 * them are the turns that a counter has for lists of one source: if two groups of backends got
 * requests alternately and shared a count, each would meet every second turn, and so one backend
 * only.
 */
#ifndef SHARED_TURNS_H
#define SHARED_TURNS_H

#include "base/slice.h"
#include "shared/segment.h"

/* The turn of that counter for that source, always the same. There is room for SEGMENT_TURNS_MAX.
 * Then it is a turn that nobody has taken since somebody last looked for room, which has another
 * source from now on, or a turn that others have, too. */
uint32_t turns_find(struct segment *, uint32_t counter, struct slice source);

/* 1, 2, .., n, 1, .. in turn over all callers; 0 if n is 0, or it is the number of no turn. */
uint32_t turns_next(struct segment *, uint32_t turn, uint32_t n);
/* From 0 to below 1: evenly spread, of each second or third call, too. 0 if it is no turn. */
double turns_part(struct segment *, uint32_t turn);

#endif
