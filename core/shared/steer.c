#include "shared/steer.h"

#include "shared/backend_standing.h"
#include "shared/weight.h"

enum { DRAINED = 1, WEIGHED = 2 };

static bool is_by_admin(const struct segment *s, unsigned slot, uint32_t what)
{
    return (atomic_load(&s->backends[slot].by_admin) & what) != 0;
}

/* --- drains --- */

bool steer_drain_by_script(struct segment *s, unsigned slot, bool draining, uint64_t now_ms)
{
    struct segment_backend *b = &s->backends[slot];

    if (atomic_exchange(&b->script_drains, draining) == draining && is_by_admin(s, slot, DRAINED))
        return false;
    atomic_fetch_and(&b->by_admin, ~(uint32_t)DRAINED);
    return standing_drain(s, slot, draining, now_ms);
}

/* A list says the same again and again: only another word counts. */
bool steer_drain_by_list(struct segment *s, unsigned slot, bool draining, uint64_t now_ms)
{
    struct segment_backend *b = &s->backends[slot];

    if (atomic_exchange(&b->list_drains, draining) == draining || is_by_admin(s, slot, DRAINED))
        return false;
    return standing_drain(s, slot, draining, now_ms);
}

bool steer_drain(struct segment *s, unsigned slot, bool draining, uint64_t now_ms)
{
    atomic_fetch_or(&s->backends[slot].by_admin, DRAINED);
    return standing_drain(s, slot, draining, now_ms);
}

bool steer_has_drained(const struct segment *s, unsigned slot)
{
    return is_by_admin(s, slot, DRAINED);
}

/* --- weights --- */

/* A script that says another weight in its settings has the last word (shared/weight.c). */
bool steer_has_weighed(const struct segment *s, unsigned slot, uint32_t in_script)
{
    uint32_t word = atomic_load(&s->backends[slot].weight);

    return word != 0 && word >> 16 == in_script && is_by_admin(s, slot, WEIGHED);
}

bool steer_weigh_by_script(struct segment *s, unsigned slot, uint32_t in_script, uint32_t weight)
{
    struct segment_backend *b = &s->backends[slot];
    uint32_t last = atomic_exchange(&b->script_weight, weight + 1);

    if (weight + 1 == (last != 0 ? last : in_script + 1) && steer_has_weighed(s, slot, in_script))
        return false;
    atomic_fetch_and(&b->by_admin, ~(uint32_t)WEIGHED);
    return weight_set(s, slot, in_script, weight);
}

bool steer_weigh(struct segment *s, unsigned slot, uint32_t in_script, uint32_t weight)
{
    atomic_fetch_or(&s->backends[slot].by_admin, WEIGHED);
    return weight_set(s, slot, in_script, weight);
}

bool steer_take_weight_back(struct segment *s, unsigned slot, uint32_t in_script)
{
    uint32_t last = atomic_load(&s->backends[slot].script_weight);

    atomic_fetch_and(&s->backends[slot].by_admin, ~(uint32_t)WEIGHED);
    return weight_set(s, slot, in_script, last != 0 ? last - 1 : in_script);
}

void steer_clear(struct segment *s, unsigned slot)
{
    struct segment_backend *b = &s->backends[slot];

    atomic_store(&b->by_admin, 0);
    atomic_store(&b->script_drains, 0);
    atomic_store(&b->list_drains, 0);
    atomic_store(&b->script_weight, 0);
}
