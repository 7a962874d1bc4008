/*
 * lists - what policy/lists.lua leaves to C, because it is faster there than compiled Lua.
 */
#ifndef POLICY_LISTS_H
#define POLICY_LISTS_H

#include "shared/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lists_member {         /* the layout is also in policy/lists.lua, as of the next */
    uint32_t slot, in_script; /* its weight there; LISTS_STRANGER: no backend, of weight 1 */
};

enum { LISTS_STRANGER = UINT32_MAX };

struct lists_scored { /* a list, and the script's scores of its members */
    const double *scores;
    const struct lists_member *members;
    double ramp_s; /* health.slow_start */
    uint32_t count;
};

/* Which score is the smallest, from 1. 0: none is, as several are, or no score is a number. */
uint32_t lists_least(const double *scores, uint32_t count);
/* Which of those that have the smallest one is next, from 1: each as often as its weight says. All
 * of a list, if their weights are the same, come in order, unless is_mixed. 0 of an empty list. */
uint32_t lists_tied(struct segment *, uint32_t turn, const struct lists_scored *, bool is_mixed);

/* A text as a number that the order on the ring is made from. */
uint32_t lists_key(const char *text, size_t length);
/* The member with the highest score for a key has it. Twice the weight gets twice the keys. */
double lists_ring_score(uint32_t key, uint32_t member, double weight);

#endif
