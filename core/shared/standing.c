#include "shared/standing.h"

#include "shared/board.h"
#include "shared/ejection.h"

enum standing standing_of(const struct segment *s, unsigned slot, uint64_t now_ms)
{
    if (atomic_load(&s->backends[slot].draining) != 0)
        return STANDING_DRAINING;
    if (!board_verdict(s, slot).up)
        return STANDING_DOWN;
    return board_is_available(s, slot, now_ms) ? STANDING_UP : STANDING_EJECTED;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t standing_since_ms(const struct segment *s, unsigned slot, uint64_t now_ms)
{
    const struct segment_backend *b = &s->backends[slot];
    uint64_t checked_ms = board_verdict(s, slot).since_ms;

    switch (standing_of(s, slot, now_ms)) {
    case STANDING_DRAINING:
        return atomic_load(&b->drained_ms);
    case STANDING_EJECTED:
        return atomic_load(&b->ejected_ms);
    case STANDING_DOWN:
        return checked_ms;
    case STANDING_UP:
        break;
    }
    return later(checked_ms, atomic_load(&b->back_ms));
}

bool standing_drain(struct segment *s, unsigned slot, bool draining, uint64_t now_ms)
{
    struct segment_backend *b = &s->backends[slot];
    uint32_t expected = !draining;

    if (atomic_load(&b->draining) == draining)
        return false;
    if (draining)
        atomic_store(&b->drained_ms, now_ms);
    if (!atomic_compare_exchange_strong(&b->draining, &expected, draining))
        return false;
    if (!draining)
        standing_note_back(s, slot, now_ms);
    board_touch(s);
    return true;
}

void standing_note_back(struct segment *s, unsigned slot, uint64_t now_ms)
{
    atomic_store(&s->backends[slot].back_ms, now_ms);
}

void standing_note_ejected(struct segment *s, unsigned slot, uint64_t now_ms)
{
    atomic_store(&s->backends[slot].ejected_ms, now_ms);
}

/* One word has the weight that was set and the script's then; if the latter changes, it counts. */
uint32_t standing_weight(const struct segment *s, unsigned slot, uint32_t in_script)
{
    uint32_t word = atomic_load_explicit(&s->backends[slot].weight, memory_order_relaxed);

    return word != 0 && word >> 16 == in_script ? word & 0xffff : in_script;
}

bool standing_set_weight(struct segment *s, unsigned slot, uint32_t in_script, uint32_t weight)
{
    uint32_t before = standing_weight(s, slot, in_script);

    CHECK(weight <= 0xffff);
    if (before == weight || atomic_exchange(&s->backends[slot].weight, in_script << 16 | weight) ==
                                (in_script << 16 | weight))
        return false;
    if (before == 0 || weight == 0)
        board_touch(s); /* it may be chosen from now on, or no longer */
    return true;
}

void standing_note_weight(struct segment *s, unsigned slot, uint32_t in_script)
{
    atomic_store(&s->backends[slot].weight_known, in_script + 1);
}

bool standing_has_weight(const struct segment *s, unsigned slot)
{
    uint32_t known = atomic_load(&s->backends[slot].weight_known);

    return known == 0 || standing_weight(s, slot, known - 1) > 0;
}

double standing_ramp(uint64_t back_ms, uint64_t ramp_ms, uint64_t now_ms)
{
    double part;

    if (back_ms == 0 || ramp_ms == 0 || now_ms >= back_ms + ramp_ms)
        return 1;
    part = now_ms > back_ms ? (double)(now_ms - back_ms) / (double)ramp_ms : 0;
    return part > 1.0 / STANDING_RAMP_STEPS ? part : 1.0 / STANDING_RAMP_STEPS;
}

double standing_effective_weight(const struct segment *s, unsigned slot, uint32_t in_script,
                                 uint64_t ramp_ms, uint64_t now_ms)
{
    uint64_t back_ms = atomic_load_explicit(&s->backends[slot].back_ms, memory_order_relaxed);

    return standing_weight(s, slot, in_script) * standing_ramp(back_ms, ramp_ms, now_ms);
}

void standing_clear(struct segment *s, unsigned slot)
{
    struct segment_backend *b = &s->backends[slot];

    atomic_store(&b->weight, 0);
    atomic_store(&b->weight_known, 0);
    atomic_store(&b->back_ms, 0);
    atomic_store(&b->ejected_ms, 0);
    atomic_store(&b->drained_ms, 0);
}
