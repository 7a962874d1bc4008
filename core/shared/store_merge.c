/*
 * What became of a key in two tables that began with the same value, put together in one of them:
 *
 *   a value    as it was here: what it is there. Else, if both have added to it, the sum of both;
 *              else it stays
 *   a window   what was added there, slice by slice
 *   a bucket   what was taken there is taken here, too, even if it leaves less than nothing
 */
#include "shared/store_merge.h"

#include "shared/table.h"

#include <math.h>
#include <string.h>

struct merging {
    char kind; /* the key's letter */
    const struct table_value *was, *is;
};

static bool are_equal(const struct table_value *a, const struct table_value *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->type == b->type && memcmp(&a->number, &b->number, sizeof a->number) == 0 &&
           (a->type != TABLE_TEXT ||
            (a->length == b->length && memcmp(a->text, b->text, a->length) == 0));
}

static enum table_decision merge_value(const struct merging *m, const struct table_value *old,
                                       struct table_value *now)
{
    bool are_sums = old != NULL && m->is != NULL && old->type == TABLE_NUMBER &&
                    m->is->type == TABLE_NUMBER && m->is->is_sum != 0 && old->is_sum != 0;

    if (are_equal(old, m->was)) {
        if (m->is == NULL)
            return old != NULL ? TABLE_REMOVE : TABLE_KEEP;
        *now = *m->is;
        return TABLE_REPLACE;
    }
    if (!are_sums)
        return TABLE_KEEP;
    *now = *old;
    now->number +=
        m->is->number - (m->was != NULL && m->was->type == TABLE_NUMBER ? m->was->number : 0);
    return TABLE_REPLACE;
}

/* --- windows --- */

void slices_advance(struct slices *slices, uint64_t to)
{
    uint64_t steps = to > slices->last ? to - slices->last : 0;

    if (steps > WINDOW_SLICES)
        steps = WINDOW_SLICES;
    for (uint64_t i = 0; i < steps; i++)
        slices->amounts[(to - i) % WINDOW_SLICES] = 0;
    if (to > slices->last)
        slices->last = to;
}

void slices_read(struct slices *slices, const struct table_value *value)
{
    memset(slices, 0, sizeof *slices);
    if (value != NULL && value->length == sizeof *slices)
        memcpy(slices, value->text, sizeof *slices);
}

/* How much of slice n has come since. */
static double grown(const struct slices *was, const struct slices *is, uint64_t n)
{
    bool was_there = n <= was->last && n + WINDOW_SLICES > was->last;

    return is->amounts[n % WINDOW_SLICES] - (was_there ? was->amounts[n % WINDOW_SLICES] : 0);
}

static enum table_decision merge_window(const struct merging *m, const struct table_value *old,
                                        struct table_value *now)
{
    struct slices was, is, slices;

    if (m->is == NULL)
        return TABLE_KEEP; /* it has expired */
    slices_read(&was, m->was);
    slices_read(&is, m->is);
    slices_read(&slices, old);
    slices_advance(&slices, is.last);
    for (uint64_t back = 0; back < WINDOW_SLICES && back <= is.last; back++) {
        uint64_t n = is.last - back;

        if (n + WINDOW_SLICES > slices.last)
            slices.amounts[n % WINDOW_SLICES] += grown(&was, &is, n);
    }
    *now = *m->is;
    if (old != NULL && old->expires_ms > now->expires_ms)
        now->expires_ms = old->expires_ms;
    memcpy(now->text, &slices, sizeof slices);
    return TABLE_REPLACE;
}

/* --- buckets --- */

static bool read_level(struct level *level, const struct table_value *value)
{
    if (value == NULL || value->length != sizeof *level || !(value->number > 0))
        return false;
    memcpy(level, value->text, sizeof *level);
    return true;
}

/* A bucket expires when it is full. */
static double burst_of(const struct level *level, const struct table_value *value)
{
    return level->tokens + ((double)value->expires_ms / 1e3 - level->at_us / 1e6) * value->number;
}

static enum table_decision merge_bucket(const struct merging *m, const struct table_value *old,
                                        struct table_value *now)
{
    struct level was, is, level;
    double burst, expected, rate;

    if (!read_level(&is, m->is))
        return TABLE_KEEP; /* it is full */
    rate = m->is->number;
    expected = burst = burst_of(&is, m->is);
    if (read_level(&was, m->was))
        expected = fmin(burst, was.tokens + (is.at_us - was.at_us) / 1e6 * rate);
    if (!(expected - is.tokens > 0))
        return TABLE_KEEP;
    if (!read_level(&level, old))
        level = (struct level){burst, is.at_us};
    level.tokens -= expected - is.tokens;
    *now = *m->is;
    now->expires_ms = (uint64_t)(level.at_us / 1e3 + (burst - level.tokens) / rate * 1e3) + 1;
    memcpy(now->text, &level, sizeof level);
    return TABLE_REPLACE;
}

/* --- all --- */

static enum table_decision merge(void *data, const struct table_value *old, struct table_value *now)
{
    const struct merging *m = data;

    if (m->kind == 'w')
        return merge_window(m, old, now);
    return m->kind == 'b' ? merge_bucket(m, old, now) : merge_value(m, old, now);
}

bool store_merge(struct segment *s, struct slice key, uint16_t group, const struct table_value *was,
                 const struct table_value *is)
{
    struct merging m = {ascii_lower(key.start[0]), was, is};

    if (was == NULL && is != NULL && is->type == TABLE_TEXT && is->number == 0 && m.kind == 'b')
        m.kind = 'k'; /* of a program that does not say the rate: as it is */
    return table_update(&s->table, key, group, merge, &m) == TABLE_DONE;
}
