/*
 * hash - one number for some bytes: FNV-1a, and what spreads its bits.
 *
 * Always the same for the same bytes, in all processes and after a restart. Not for keys that a
 * client chooses: it could find many of one bucket.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/slice.h"

#include <stdint.h>

#define HASH_START 0xcbf29ce484222325u

/* The hash of what was before, with these bytes behind it. */
static inline uint64_t hash_add(uint64_t hash, struct slice bytes)
{
    for (size_t i = 0; i < bytes.length; i++)
        hash = (hash ^ (unsigned char)bytes.start[i]) * 0x100000001b3u;
    return hash;
}

/* Each bit of the word changes each bit of the result in half of all cases (splitmix64). */
static inline uint64_t hash_mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
}

#endif
