/*
 * nearest - the distance counts letters changed, added, dropped or swapped with
 * their neighbour (optimal string alignment), kept in three rows of a table. Where none is near,
 * a name that the wrong one begins will do.
 */
#include "base/nearest.h"

#include <string.h>

enum { NEAREST_LETTERS_MAX = 40 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(struct slice a, struct slice b)
{
    size_t rows[3][NEAREST_LETTERS_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.length; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t *oldest = before;

        row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            bool same = ascii_lower(a.start[i - 1]) == ascii_lower(b.start[j - 1]);

            row[j] = least(last[j - 1] + (same ? 0 : 1), least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.start[i - 1] == b.start[j - 2] &&
                a.start[i - 2] == b.start[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        before = last;
        last = row;
        row = oldest;
    }
    return last[b.length];
}

/* A third of the letters may be wrong, one at least: "wokrers", "lisen", but not
 * "cat" for "at_all". */
static size_t tolerance(size_t letters)
{
    return letters < 4 ? 1 : (letters + 1) / 3;
}

/* "budget" begins "budget_ms", but not "budgets". */
static bool is_begun_by(struct slice name, struct slice words)
{
    return name.length > words.length && name.start[words.length] == '_' &&
           memcmp(name.start, words.start, words.length) == 0;
}

/* The only one, or NULL: of several none is meant more than another. */
static const char *name_begun_by(struct slice wrong, const char *const *candidates, size_t count)
{
    const char *only = NULL;

    for (size_t i = 0; i < count; i++) {
        if (!is_begun_by(slice_of(candidates[i]), wrong))
            continue;
        if (only != NULL)
            return NULL;
        only = candidates[i];
    }
    return only;
}

const char *nearest_name(struct slice wrong, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    size_t least_so_far = tolerance(wrong.length) + 1;

    if (wrong.length < 2 || wrong.length > NEAREST_LETTERS_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct slice name = slice_of(candidates[i]);
        size_t away;

        if (name.length > NEAREST_LETTERS_MAX)
            continue;
        away = distance(wrong, name);
        if (away < least_so_far) {
            least_so_far = away;
            nearest = candidates[i];
        }
    }
    return nearest != NULL ? nearest : name_begun_by(wrong, candidates, count);
}
