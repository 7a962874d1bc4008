/*
 * Four rings of 256 slots: the first has a slot per millisecond, each next one
 * is 256 times as coarse. A deadline waits in the ring that its distance needs;
 * when the hand of a coarse ring reaches its slot, it moves to a finer one:
 *
 *   ring 3 (16,777 s)  -->  ring 2 (65 s)  -->  ring 1 (256 ms)  -->  ring 0 (1 ms)  -->  fires
 *
 * Clearing leaves the slot's busy bit set; the hand finds it empty, no more.
 *
 * A deadline that moves to a later time, as most do with each request, stays where it is;
 * when the hand comes there it moves to the place that it wants by then. One at rest
 * stays, too, and is taken out when the hand comes.
 */
#include "net/wheel.h"

enum { SLOT_BITS = 8, SLOT_MASK = WHEEL_SLOTS - 1 };

static const uint64_t DELAY_MAX_MS = (1ull << (SLOT_BITS * WHEEL_LEVELS)) - WHEEL_SLOTS;

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    *wheel = (struct wheel){.now_ms = now_ms, .next_ms = UINT64_MAX};
    list_init(&wheel->due);
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
}

/* Puts it where its distance from now wants it; the hand is due there, or there
 * it moves on, at the time returned. */
static uint64_t wheel_place(struct wheel *wheel, struct deadline *d)
{
    uint64_t distance = d->at_ms - wheel->now_ms;
    unsigned level = 0;
    unsigned slot;

    d->placed_ms = d->at_ms;
    while (level + 1 < WHEEL_LEVELS && distance >> (SLOT_BITS * (level + 1)) != 0)
        level++;
    slot = (unsigned)(d->at_ms >> (SLOT_BITS * level)) & SLOT_MASK;
    list_append(&wheel->slots[level][slot], &d->node);
    wheel->busy[level][slot / 64] |= 1ull << (slot % 64);
    return d->at_ms >> (SLOT_BITS * level) << (SLOT_BITS * level);
}

/* The distance, 1 to WHEEL_SLOTS, from a slot to the next busy one of its ring;
 * 0 if none is. */
static unsigned ring_distance(const uint64_t busy[], unsigned from)
{
    for (unsigned step = 1; step <= WHEEL_SLOTS;) {
        unsigned slot = (from + step) & SLOT_MASK;
        uint64_t rest = busy[slot / 64] >> (slot % 64);

        if (rest != 0) {
            step += (unsigned)__builtin_ctzll(rest);
            return step <= WHEEL_SLOTS ? step : 0;
        }
        step += 64 - slot % 64;
    }
    return 0;
}

static uint64_t wheel_next_ms(const struct wheel *wheel)
{
    uint64_t next_ms = UINT64_MAX;

    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t hand = wheel->now_ms >> (SLOT_BITS * level);
        unsigned distance = ring_distance(wheel->busy[level], (unsigned)hand & SLOT_MASK);
        uint64_t at_ms = (hand + distance) << (SLOT_BITS * level);

        if (distance != 0 && at_ms < next_ms)
            next_ms = at_ms;
    }
    return next_ms;
}

/* Takes a slot's deadlines out of the wheel. */
static void wheel_empty_slot(struct wheel *wheel, unsigned level, struct list_node *out)
{
    unsigned slot = (unsigned)(wheel->now_ms >> (SLOT_BITS * level)) & SLOT_MASK;

    wheel->busy[level][slot / 64] &= ~(1ull << (slot % 64));
    list_init(out);
    list_move_all(out, &wheel->slots[level][slot]);
}

static void wheel_cascade(struct wheel *wheel)
{
    unsigned level = 0;

    while (level + 1 < WHEEL_LEVELS &&
           (wheel->now_ms & ((1ull << (SLOT_BITS * (level + 1))) - 1)) == 0)
        level++;
    for (; level > 0; level--) {
        struct list_node moving;

        wheel_empty_slot(wheel, level, &moving);
        while (!list_is_empty(&moving)) {
            struct deadline *d = list_entry(moving.next, struct deadline, node);

            list_remove(&d->node);
            if (d->at_ms != DEADLINE_NEVER)
                wheel_place(wheel, d);
        }
    }
}

struct deadline *wheel_pass(struct wheel *wheel, uint64_t until_ms)
{
    while (wheel->next_ms <= until_ms) {
        if (wheel->now_ms < wheel->next_ms) {
            wheel->now_ms = wheel->next_ms;
            wheel_cascade(wheel);
            wheel_empty_slot(wheel, 0, &wheel->due);
        }
        while (!list_is_empty(&wheel->due)) {
            struct deadline *d = list_entry(wheel->due.next, struct deadline, node);

            list_remove(&d->node);
            if (d->at_ms <= wheel->now_ms)
                return d;
            if (d->at_ms != DEADLINE_NEVER)
                wheel_place(wheel, d);
        }
        wheel->next_ms = wheel_next_ms(wheel);
    }
    if (wheel->now_ms < until_ms)
        wheel->now_ms = until_ms;
    return NULL;
}

void wheel_set(struct wheel *wheel, struct deadline *d, uint64_t from_ms, uint64_t delay_ms)
{
    uint64_t due_ms;

    /* 1 ms more: from_ms is rounded down, and a deadline must never pass early. */
    d->at_ms = from_ms + (delay_ms < DELAY_MAX_MS ? delay_ms : DELAY_MAX_MS) + 1;
    if (d->at_ms <= wheel->now_ms)
        d->at_ms = wheel->now_ms + 1;
    if (list_has_node(&d->node) && d->placed_ms <= d->at_ms)
        return;
    list_remove(&d->node);
    due_ms = wheel_place(wheel, d);
    if (due_ms <= wheel->now_ms)
        due_ms = wheel->now_ms + 1;
    if (due_ms < wheel->next_ms)
        wheel->next_ms = due_ms;
}
