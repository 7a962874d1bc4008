#include "discover/guard.h"

#include "base/mem.h"

#include <stdlib.h>

struct place {
    uint64_t identity;
    unsigned index;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return (x->identity > y->identity) - (x->identity < y->identity);
}

/* Sorted by identity. */
static struct place *sort_list(const struct found_list *all)
{
    struct place *places = mem_alloc((all->count + 1) * sizeof *places);

    for (unsigned i = 0; i < all->count; i++)
        places[i] = (struct place){all->list[i].identity, i};
    qsort(places, all->count, sizeof *places, compare_places);
    return places;
}

/* Which of before does next have, too? Those that only next has are fresh. */
static bool *match(const struct found_list *before, struct found_list *next)
{
    bool *is_listed = mem_zalloc((before->count + 1) * sizeof *is_listed);
    struct place *places = sort_list(next);

    for (unsigned i = 0; i < next->count; i++)
        next->list[i].is_fresh = true;
    for (unsigned i = 0; i < before->count; i++) {
        const struct place *found = bsearch(&(struct place){before->list[i].identity, 0}, places,
                                            next->count, sizeof *places, compare_places);

        if (found == NULL)
            continue;
        is_listed[i] = true;
        next->list[found->index].is_fresh = before->list[i].is_fresh;
    }
    mem_free(places);
    return is_listed;
}

static unsigned count_lost(const struct found_list *before, const bool *is_listed)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < before->count; i++)
        lost += !is_listed[i];
    return lost;
}

/* How many may go as new ones are there in their place. */
static unsigned count_replacements(const struct guard *g, const struct found_list *before,
                                   const uint8_t *standing)
{
    unsigned up = 0;

    for (unsigned i = 0; i < before->count; i++)
        up += before->list[i].is_fresh && !before->list[i].is_held && standing[i] == GUARD_UP;
    return up > g->replaced ? up - g->replaced : 0;
}

static bool is_over(const struct guard *g, const struct guard_rules *rules, uint64_t now_ms)
{
    return g->held > 0 && rules->confirm_ms > 0 && now_ms >= g->since_ms + rules->confirm_ms;
}

/* Nobody is held: those that came meanwhile are as the others. */
static void note_held(struct guard *g, struct found_list *next)
{
    g->held = 0;
    for (unsigned i = 0; i < next->count; i++)
        g->held += next->list[i].is_held;
    if (g->held > 0)
        return;
    g->replaced = 0;
    for (unsigned i = 0; i < next->count; i++)
        next->list[i].is_fresh = false;
}

static bool let_replaced_go(struct guard *g, unsigned *replacements)
{
    if (*replacements == 0)
        return false;
    --*replacements;
    g->replaced++;
    return true;
}

static void hold(struct found_list *next, const struct found *f, unsigned missed)
{
    struct found *kept = found_copy(next, f);

    kept->is_held = true;
    kept->missed = missed;
}

/* Of a list that leaves it out, or of none: may it go? */
struct leave {
    struct guard *guard;
    uint32_t confirm;      /* lists */
    unsigned replacements; /* left */
    bool is_drop;          /* more than max_drop are left out */
    bool is_late;          /* nothing was heard for long enough */
};

static bool may_go(struct leave *l, const struct found *f, unsigned missed, uint8_t standing)
{
    if (standing != GUARD_UP || missed >= l->confirm)
        return true;
    return f->is_held ? l->is_late || let_replaced_go(l->guard, &l->replacements) : !l->is_drop;
}

struct guard_result guard_hear(struct guard *g, const struct guard_rules *rules,
                               const struct found_list *before, const uint8_t *standing,
                               struct found_list *next, uint64_t now_ms)
{
    unsigned listed = next->count, lost;
    struct guard_result result = {.fate = listed == 0 ? GUARD_EMPTY : GUARD_TOO_FEW,
                                  .held = g->held};
    struct leave leave;
    bool *is_listed;

    if (listed < rules->min)
        return result;
    is_listed = match(before, next);
    lost = count_lost(before, is_listed);
    leave = (struct leave){g, rules->confirm, count_replacements(g, before, standing),
                           lost > rules->max_drop * before->count, is_over(g, rules, now_ms)};
    for (unsigned i = 0; i < before->count; i++) {
        const struct found *f = &before->list[i];

        if (is_listed[i])
            continue;
        if (may_go(&leave, f, f->missed + 1, standing[i]) || next->count == FOUND_MAX) {
            result.removed++;
            continue;
        }
        result.began += !f->is_held;
        hold(next, f, f->missed + 1);
    }
    mem_free(is_listed);
    result.fate = GUARD_TAKEN;
    result.added = listed - (before->count - lost);
    if (result.began > 0)
        g->since_ms = now_ms;
    note_held(g, next);
    result.held = g->held;
    return result;
}

struct guard_result guard_look(struct guard *g, const struct guard_rules *rules,
                               const struct found_list *before, const uint8_t *standing,
                               struct found_list *next, uint64_t now_ms)
{
    struct guard_result result = {.fate = GUARD_TAKEN};
    struct leave leave = {g, UINT32_MAX, count_replacements(g, before, standing), true,
                          is_over(g, rules, now_ms)};

    for (unsigned i = 0; i < before->count; i++) {
        const struct found *f = &before->list[i];

        if (f->is_held && may_go(&leave, f, f->missed, standing[i]))
            result.removed++;
        else
            found_copy(next, f);
    }
    note_held(g, next);
    result.held = g->held;
    return result;
}
