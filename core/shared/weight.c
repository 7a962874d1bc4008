#include "shared/weight.h"

#include "base/clock.h"

enum { WEIGHT_RAMP_STEPS = 10 }; /* it begins at one part in so many */

/* One word has the weight that was set and the script's then; if the latter changes, it counts. */
uint32_t weight_of(const struct segment *s, unsigned slot, uint32_t in_script)
{
    uint32_t word = atomic_load_explicit(&s->backends[slot].weight, memory_order_relaxed);

    return word != 0 && word >> 16 == in_script ? word & 0xffff : in_script;
}

bool weight_set(struct segment *s, unsigned slot, uint32_t in_script, uint32_t weight)
{
    uint32_t before = weight_of(s, slot, in_script);

    CHECK(weight <= 0xffff);
    if (before == weight || atomic_exchange(&s->backends[slot].weight, in_script << 16 | weight) ==
                                (in_script << 16 | weight))
        return false;
    if (before == 0 || weight == 0)
        segment_note_change(s); /* it may be chosen from now on, or no longer */
    return true;
}

void weight_note_script(struct segment *s, unsigned slot, uint32_t in_script)
{
    atomic_store(&s->backends[slot].weight_known, in_script + 1);
}

bool weight_is_some(const struct segment *s, unsigned slot)
{
    uint32_t known = atomic_load(&s->backends[slot].weight_known);

    return known == 0 || weight_of(s, slot, known - 1) > 0;
}

/* back_ms of 0: it never went. */
static double weight_ramp(uint64_t back_ms, uint64_t ramp_ms, uint64_t now_ms)
{
    double part;

    if (back_ms == 0 || ramp_ms == 0 || now_ms >= back_ms + ramp_ms)
        return 1;
    part = now_ms > back_ms ? (double)(now_ms - back_ms) / (double)ramp_ms : 0;
    return part > 1.0 / WEIGHT_RAMP_STEPS ? part : 1.0 / WEIGHT_RAMP_STEPS;
}

double weight_now(const struct segment *s, uint32_t slot, uint32_t in_script, double ramp_s)
{
    uint64_t back_ms;

    if (!segment_has_slot(s, slot))
        return in_script;
    if (ramp_s <= 0) /* no need to know the time */
        return weight_of(s, slot, in_script);
    back_ms = atomic_load_explicit(&s->backends[slot].back_ms, memory_order_relaxed);
    return weight_of(s, slot, in_script) *
           weight_ramp(back_ms, (uint64_t)(ramp_s * 1000), clock_steady_ms());
}

void weight_clear(struct segment *s, unsigned slot)
{
    atomic_store(&s->backends[slot].weight, 0);
    atomic_store(&s->backends[slot].weight_known, 0);
}
