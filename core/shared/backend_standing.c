#include "shared/backend_standing.h"

#include "shared/board.h"
#include "shared/weight.h"

enum backend_standing standing_of(const struct segment *s, unsigned slot, uint64_t now_ms)
{
    if (atomic_load(&s->backends[slot].draining) != 0)
        return STANDING_DRAINING;
    if (!board_verdict(s, slot).up)
        return STANDING_DOWN;
    return board_is_available(s, slot, now_ms) ? STANDING_UP : STANDING_EJECTED;
}

uint64_t standing_since_ms(const struct segment *s, unsigned slot, uint64_t now_ms)
{
    const struct segment_backend *b = &s->backends[slot];
    uint64_t checked_ms = board_verdict(s, slot).since_ms;
    uint64_t back_ms = atomic_load(&b->back_ms);

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
    return checked_ms > back_ms ? checked_ms : back_ms;
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
        atomic_store(&b->back_ms, now_ms);
    segment_note_change(s);
    return true;
}

void standing_clear(struct segment *s, unsigned slot)
{
    struct segment_backend *b = &s->backends[slot];

    weight_clear(s, slot);
    atomic_store(&b->back_ms, 0);
    atomic_store(&b->ejected_ms, 0);
    atomic_store(&b->drained_ms, 0);
}
