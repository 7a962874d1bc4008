/*
 * lists - what policy/lists.lua leaves to C, because it is faster there than compiled Lua.
 */
#ifndef POLICY_LISTS_H
#define POLICY_LISTS_H

#include "shared/segment.h"

#include <stddef.h>
#include <stdint.h>

/* Which score is the smallest, from 1; of several the next in turn. 0 if there are none. */
uint32_t lists_least(const double *scores, uint32_t count, struct segment_counter *turn);

/* A text as a number that the order on the ring is made from. */
uint32_t lists_key(const char *text, size_t length);
/* The member with the highest score for a key has it. Twice the weight gets twice the keys. */
double lists_ring_score(uint32_t key, uint32_t member, double weight);

#endif
