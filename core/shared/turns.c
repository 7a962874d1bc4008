#include "shared/turns.h"

#include "base/hash.h"

static uint64_t source_hash(uint32_t counter, struct slice source)
{
    uint64_t hash = hash_add(hash_mix(counter), source);

    return hash != 0 ? hash : 1;
}

static bool turn_take(struct segment_turn *turn, uint64_t from, uint64_t wanted)
{
    if (atomic_load(&turn->source) == wanted)
        return true;
    return atomic_compare_exchange_strong(&turn->source, &from, wanted) || from == wanted;
}

/* Sources come and go with the tags of scripts. The value stays: a turn may begin anywhere. */
static bool turn_take_unused(struct segment_turn *turn, uint64_t wanted)
{
    uint64_t value = atomic_load(&turn->value);

    if (atomic_load(&turn->seen) == value)
        return turn_take(turn, atomic_load(&turn->source), wanted);
    atomic_store(&turn->seen, value);
    return false;
}

uint32_t turns_find(struct segment *segment, uint32_t counter, struct slice source)
{
    uint64_t wanted = source_hash(counter, source);
    uint32_t home = (uint32_t)(wanted >> 32) % SEGMENT_TURNS_MAX;

    for (uint32_t i = 0; i < 2 * SEGMENT_TURNS_MAX; i++) {
        uint32_t place = (home + i) % SEGMENT_TURNS_MAX;
        struct segment_turn *turn = &segment->turns[place];

        if (i < SEGMENT_TURNS_MAX ? turn_take(turn, 0, wanted) : turn_take_unused(turn, wanted))
            return SEGMENT_COUNTERS_MAX + place;
    }
    return SEGMENT_COUNTERS_MAX + home;
}

static _Atomic uint64_t *turn_value(struct segment *segment, uint32_t turn)
{
    if (turn < SEGMENT_COUNTERS_MAX)
        return &segment->counters[turn].value;
    turn -= SEGMENT_COUNTERS_MAX;
    return turn < SEGMENT_TURNS_MAX ? &segment->turns[turn].value : NULL;
}

uint32_t turns_next(struct segment *segment, uint32_t turn, uint32_t n)
{
    _Atomic uint64_t *value = turn_value(segment, turn);

    return value == NULL || n == 0 ? 0 : (uint32_t)(atomic_fetch_add(value, 1) % n) + 1;
}

/* Steps of the golden section: no sequence is more even, and every n-th step of it is even, too. */
double turns_part(struct segment *segment, uint32_t turn)
{
    _Atomic uint64_t *value = turn_value(segment, turn);

    if (value == NULL)
        return 0;
    return (double)((atomic_fetch_add(value, 1) * 0x9e3779b97f4a7c15u) >> 11) * 0x1p-53;
}
