/*
 * A random sample of cells stands for all. A group has about the same part of the sample as of the
 * table, and its key that expires first in the sample is among its first in the table. So no change
 * has to update a count, which a process that is killed could leave wrong.
 */
#include "shared/victim.h"

#include "base/clock.h"
#include "base/random.h"

enum { SAMPLE = 64, LOOKS_MAX = 256 };

struct portion { /* of the sample: what a group has */
    uint16_t group;
    unsigned count;
    struct victim first; /* to expire */
};

struct sample {
    struct portion portions[SAMPLE + 1];
    unsigned portions_count, total;
};

static struct portion *portion_of(struct sample *s, uint16_t group)
{
    unsigned i = 0;

    while (i < s->portions_count && s->portions[i].group != group)
        i++;
    if (i == s->portions_count)
        s->portions[s->portions_count++] = (struct portion){.group = group};
    return &s->portions[i];
}

static void sample_add(struct sample *s, uint16_t group, const struct victim *seen)
{
    struct portion *portion = portion_of(s, group);

    if (portion->count++ == 0 || seen->expires_ms < portion->first.expires_ms)
        portion->first = *seen;
    s->total++;
}

/* Its own, unless that has less than three quarters of an equal share: a sample is not exact, and
 * two that have as much must not take from each other. */
static const struct portion *sample_choose(const struct sample *s)
{
    const struct portion *own = &s->portions[0], *largest = own;

    if (4 * own->count * s->portions_count >= 3 * s->total)
        return own;
    for (unsigned i = 1; i < s->portions_count; i++)
        if (s->portions[i].count > largest->count)
            largest = &s->portions[i];
    return largest;
}

bool victim_find(const struct table *t, uint16_t group, struct victim *out)
{
    struct sample sample = {.portions = {{.group = group}}, .portions_count = 1};
    uint64_t now_ms = clock_steady_ms();
    uint32_t high = cells_ever_used(t);

    for (unsigned i = 0; i < LOOKS_MAX && sample.total < SAMPLE && high > 0; i++) {
        struct victim seen;
        uint16_t of;

        if (!cell_may_go(t, random_below(high), &seen.cell, &seen.bucket, &of, &seen.expires_ms))
            continue;
        if (seen.expires_ms <= now_ms) {
            *out = seen;
            return true;
        }
        sample_add(&sample, of, &seen);
    }
    if (sample.total == 0)
        return false;
    *out = sample_choose(&sample)->first;
    return true;
}
