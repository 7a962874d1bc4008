#include "policy/lists.h"

#include "shared/counters.h"

#include <math.h>

uint32_t lists_least(const double *scores, uint32_t count, struct segment_counter *turn)
{
    double least = INFINITY;
    uint32_t first = 0, ties = 0, wanted;

    for (uint32_t i = 0; i < count; i++) {
        if (scores[i] < least) {
            least = scores[i];
            first = i;
            ties = 1;
        } else if (scores[i] == least) {
            ties++;
        }
    }
    if (ties == 1)
        return first + 1;
    if (ties == 0) /* none at all, or no score was a number */
        return counters_next(turn, count);
    wanted = counters_next(turn, ties);
    for (uint32_t i = first;; i++)
        if (scores[i] == least && --wanted == 0)
            return i + 1;
}

/* splitmix64's finisher: every bit depends on every other. */
static uint64_t mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
}

/* FNV-1a. Always the same for the same text, in all workers and after a restart. */
uint32_t lists_key(const char *text, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return (uint32_t)(mix(hash) >> 32);
}

/* Weighted rendezvous hashing: -w / ln(u), with u evenly between 0 and 1. */
double lists_ring_score(uint32_t key, uint32_t member, double weight)
{
    uint64_t hash = mix((uint64_t)key << 32 | member);

    return -weight / log(((double)(hash >> 11) + 0.5) * 0x1p-53);
}
