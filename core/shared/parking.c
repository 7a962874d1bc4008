#include "shared/parking.h"

uint64_t parking_number(const struct segment *s)
{
    return atomic_load(&s->parking.forgotten) + 1;
}

void parking_forget(struct segment *s)
{
    atomic_fetch_add(&s->parking.forgotten, 1); /* now those of the old one do not count */
    for (unsigned i = 0; i < SEGMENT_PARKING_MAX; i++)
        atomic_store(&s->parking.breaches_ms[i], 0);
    atomic_store(&s->parking.parked, 0);
}

static uint64_t pack(struct parking_cause cause)
{
    return (uint64_t)cause.hook << 40 | (uint64_t)cause.kind << 32 | cause.line;
}

static struct parking_cause unpack(uint64_t cause)
{
    return (struct parking_cause){(uint8_t)(cause >> 40), (uint8_t)(cause >> 32), (uint32_t)cause};
}

/* Breach n is at n % SEGMENT_PARKING_MAX. One that another worker has begun to note may be
 * read as the older one in its place; then the next breach parks the script. */
bool parking_count(struct segment *s, uint64_t number, unsigned most, struct parking_cause cause,
                   uint64_t now_ms)
{
    struct segment_parking *parking = &s->parking;
    uint64_t n, first_ms, parked = atomic_load(&parking->parked);

    if (most == 0 || parked == number || number != parking_number(s))
        return false;
    n = atomic_fetch_add(&parking->breaches, 1);
    atomic_store(&parking->breaches_ms[n % SEGMENT_PARKING_MAX], now_ms);
    first_ms = atomic_load(&parking->breaches_ms[(n + 1 - most) % SEGMENT_PARKING_MAX]);
    if (first_ms == 0 || now_ms - first_ms > PARKING_WINDOW_MS)
        return false;
    atomic_store(&parking->cause, pack(cause));
    atomic_store(&parking->told_ms, now_ms);
    return atomic_compare_exchange_strong(&parking->parked, &parked, number);
}

bool parking_remind(struct segment *s, uint64_t number, uint64_t every_ms, uint64_t now_ms,
                    struct parking_cause *cause)
{
    uint64_t told_ms = atomic_load(&s->parking.told_ms);

    if (!parking_is_parked(s, number) || now_ms < told_ms + every_ms ||
        !atomic_compare_exchange_strong(&s->parking.told_ms, &told_ms, now_ms))
        return false;
    *cause = unpack(atomic_load(&s->parking.cause));
    return true;
}
