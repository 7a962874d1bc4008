/*
 * A slot's state goes from free to being named to named, and never back, so a
 * name is found by walking the slots from the first: a search meets the slot that
 * holds it before any free one. A process that waits for a slot gives it up if it
 * stays half named; then all pass it over, also the process that was naming it.
 */
#include "shared/counters.h"

#include "base/clock.h"

#include <sched.h>
#include <string.h>

enum { COUNTER_FREE, COUNTER_BEING_NAMED, COUNTER_NAMED, COUNTER_ABANDONED };

/* Naming takes nanoseconds; a slot that stays half named belongs to a process that died there,
 * or was stopped. */
enum { NAMING_PATIENCE_MS = 1000 };

static bool counter_leave_naming(struct segment_counter *counter, uint32_t state)
{
    uint32_t expected = COUNTER_BEING_NAMED;

    return atomic_compare_exchange_strong(&counter->state, &expected, state);
}

static uint32_t counter_wait_until_named(struct segment_counter *counter)
{
    uint32_t state = atomic_load(&counter->state);
    uint64_t give_up_ms;

    if (state != COUNTER_BEING_NAMED)
        return state;
    give_up_ms = clock_steady_ms() + NAMING_PATIENCE_MS;
    while (atomic_load(&counter->state) == COUNTER_BEING_NAMED && clock_steady_ms() < give_up_ms)
        sched_yield();
    counter_leave_naming(counter, COUNTER_ABANDONED);
    return atomic_load(&counter->state);
}

static bool counter_claim(struct segment_counter *counter, struct slice name)
{
    uint32_t expected = COUNTER_FREE;

    if (!atomic_compare_exchange_strong(&counter->state, &expected, COUNTER_BEING_NAMED))
        return false;
    memcpy(counter->name, name.start, name.length);
    counter->name[name.length] = '\0';
    return counter_leave_naming(counter, COUNTER_NAMED);
}

struct segment_counter *counters_find(struct segment *segment, struct slice name)
{
    if (name.length == 0 || name.length >= SEGMENT_NAME_BYTES ||
        memchr(name.start, '\0', name.length) != NULL)
        return NULL;
    for (unsigned i = 0; i < SEGMENT_COUNTERS_MAX; i++) {
        struct segment_counter *counter = &segment->counters[i];

        if (counter_claim(counter, name))
            return counter;
        if (counter_wait_until_named(counter) == COUNTER_NAMED &&
            slice_is(slice_of(counter->name), name))
            return counter;
    }
    return NULL;
}

bool counters_is_named(const struct segment_counter *counter)
{
    return atomic_load(&counter->state) == COUNTER_NAMED;
}

uint32_t counters_next(struct segment_counter *counter, uint32_t n)
{
    if (n == 0)
        return 0;
    return (uint32_t)(atomic_fetch_add(&counter->value, 1) % n) + 1;
}

uint32_t counters_number(const struct segment *segment, const struct segment_counter *counter)
{
    return (uint32_t)(counter - segment->counters);
}

double counters_add(struct segment_counter *counter, double amount)
{
    uint64_t step = (uint64_t)(int64_t)amount;

    return (double)(int64_t)(atomic_fetch_add(&counter->value, step) + step);
}

double counters_get(const struct segment_counter *counter)
{
    return (double)(int64_t)atomic_load(&counter->value);
}
