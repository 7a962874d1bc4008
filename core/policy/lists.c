/*
 * What policy/lists.lua leaves to C, because it is faster there than compiled Lua. It calls these
 * functions by name.
 */
#include "base/hash.h"
#include "shared/turns.h"
#include "shared/weight.h"

#include <math.h>

struct lists_member {         /* the layout is also in policy/lists.lua, as of the next */
    uint32_t slot, in_script; /* its weight there; LISTS_STRANGER: no backend, of weight 1 */
};

enum { LISTS_STRANGER = UINT32_MAX };

struct lists_scored { /* a list, and the script's scores of its members */
    const double *scores;
    double ramp_s; /* health.slow_start */
    uint32_t count;
    struct lists_member members[];
};

/* Which score is the smallest, from 1. 0: none is, as several are, or no score is a number. */
uint32_t lists_least(const double *scores, uint32_t count)
{
    double least = INFINITY;
    uint32_t first = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (scores[i] < least) {
            least = scores[i];
            first = i + 1;
        } else if (scores[i] == least) {
            first = 0;
        }
    }
    return first;
}

/* The places of the two smallest, from 1, in the lower and the upper 16 bits; 0: there is none. */
uint32_t lists_least_two(const double *scores, uint32_t count)
{
    uint32_t first = 0, second = 0;

    for (uint32_t i = 1; i <= count; i++) {
        double score = scores[i - 1];

        if (isnan(score))
            continue;
        if (first == 0 || score < scores[first - 1]) {
            second = first;
            first = i;
        } else if (second == 0 || score < scores[second - 1]) {
            second = i;
        }
    }
    return second << 16 | first;
}

struct ties {
    double least; /* NAN: no score is a number, so all are alike */
    double weight, most, fewest;
    uint32_t count;
};

static bool is_tie(const struct ties *ties, double score)
{
    return isnan(ties->least) || score == ties->least;
}

static inline double weigh(const struct segment *segment, const struct lists_member *m,
                           double ramp_s)
{
    if (m->slot == LISTS_STRANGER)
        return 1;
    return weight_now(segment, m->slot, m->in_script, ramp_s);
}

static struct ties find_ties(const struct segment *segment, const struct lists_scored *list)
{
    struct ties ties = {.least = NAN, .fewest = INFINITY};
    const double *scores = list->scores, ramp_s = list->ramp_s;
    uint32_t count = list->count; /* these are read once: weights are read atomically */
    double weight;

    for (uint32_t i = 0; i < count; i++)
        if (!isnan(scores[i]) && !(scores[i] >= ties.least))
            ties.least = scores[i];
    for (uint32_t i = 0; i < count; i++) {
        if (!is_tie(&ties, scores[i]))
            continue;
        weight = weigh(segment, &list->members[i], ramp_s);
        ties.count++;
        ties.weight += weight;
        ties.most = weight > ties.most ? weight : ties.most;
        ties.fewest = weight < ties.fewest ? weight : ties.fewest;
    }
    return ties;
}

/* Which of those that have the smallest score is next, from 1: each as often as its weight says.
 * All of a list, if their weights are the same, come in order, unless is_mixed. 0: it is empty.
 *
 * Lists whose ties are others each time share the turn. Taken modulo, two of them that alternate
 * would each have every second turn, and one backend each. */
uint32_t lists_tied(struct segment *segment, uint32_t turn, const struct lists_scored *list,
                    bool is_mixed)
{
    struct ties ties = find_ties(segment, list);
    bool are_alike = !(ties.most > ties.fewest);
    uint32_t last = 0;
    double left;

    if (are_alike && ties.count == list->count && !is_mixed)
        return turns_next(segment, turn, list->count);
    left = turns_part(segment, turn) * (are_alike ? ties.count : ties.weight);
    for (uint32_t i = 0; i < list->count; i++) {
        if (!is_tie(&ties, list->scores[i]))
            continue;
        left -= are_alike ? 1 : weigh(segment, &list->members[i], list->ramp_s);
        last = i + 1;
        if (left < 0)
            break;
    }
    return last;
}

/* A text as a number that the order on the ring is made from: always the same for the same text, in
 * all workers and after a restart. */
uint32_t lists_key(const char *text, size_t length)
{
    return (uint32_t)(hash_mix(hash_add(HASH_START, (struct slice){text, length})) >> 32);
}

/* The member with the highest score for a key has it. Twice the weight gets twice the keys: this is
 * weighted rendezvous hashing, -w / ln(u), with u evenly between 0 and 1. */
double lists_ring_score(uint32_t key, uint32_t member, double weight)
{
    uint64_t hash = hash_mix((uint64_t)key << 32 | member);

    return -weight / log(((double)(hash >> 11) + 0.5) * 0x1p-53);
}
