#include "shared/parking.h"

#include "base/clock.h"

uint64_t parking_number(const struct segment *s)
{
    return atomic_load(&s->parking.forgotten) + 1;
}

void parking_forget(struct segment *s)
{
    atomic_store(&s->parking.forgotten_slot, recent_slot(clock_steady_ms()));
    atomic_fetch_add(&s->parking.forgotten, 1); /* now breaches of the old script do not count */
    for (unsigned i = 0; i < 2; i++)
        atomic_store(&s->parking.failing[i].at_ms, 0);
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

/* --- too many? --- */

/* Keeps the client that failed last, and the last other client before it. */
static void note_client(struct segment_parking *p, uint64_t client, uint64_t now_ms)
{
    unsigned older = atomic_load(&p->failing[0].at_ms) > atomic_load(&p->failing[1].at_ms);
    unsigned at = atomic_load(&p->failing[!older].client) == client ? !older : older;

    atomic_store(&p->failing[at].client, client);
    atomic_store(&p->failing[at].at_ms, now_ms);
}

static bool has_two_clients(const struct segment_parking *p, uint64_t now_ms)
{
    for (unsigned i = 0; i < 2; i++)
        if (atomic_load(&p->failing[i].at_ms) + PARKING_WINDOW_MS < now_ms)
            return false;
    return atomic_load(&p->failing[0].client) != atomic_load(&p->failing[1].client);
}

void parking_change_client(struct segment_worker *worker, uint64_t client, uint32_t slot)
{
    uint64_t before = atomic_load_explicit(&worker->policy_client, memory_order_relaxed);
    uint32_t last = atomic_load_explicit(&worker->calls.slot, memory_order_relaxed);

    if (client == 0)
        return;
    if (before != 0 && slot - last < RECENT_SLOTS)
        atomic_store_explicit(&worker->policy_client_slot, slot, memory_order_relaxed);
    atomic_store_explicit(&worker->policy_client, client, memory_order_relaxed);
}

/* All calls of the last second were this one's. */
static bool is_only_client(const struct segment *s, uint64_t client, uint32_t slot)
{
    for (unsigned i = 0; i < segment_workers(s); i++) {
        const struct segment_worker *worker = &s->workers[i];

        if (recent_sum(&worker->calls, slot, 0) == 0)
            continue;
        if (atomic_load(&worker->policy_client) != client ||
            slot - atomic_load(&worker->policy_client_slot) < RECENT_SLOTS)
            return false;
    }
    return true;
}

static bool is_too_many(const struct segment *s, unsigned least, const struct parking_breach *b)
{
    uint32_t slot = recent_slot(b->now_ms), from = atomic_load(&s->parking.forgotten_slot) + 1;
    uint64_t calls = 0, failed = 0;

    for (unsigned i = 0; i < segment_workers(s); i++) {
        calls += recent_sum(&s->workers[i].calls, slot, from);
        failed += recent_sum(&s->workers[i].failed, slot, from);
    }
    return failed >= least && 2 * failed >= calls &&
           (b->client == 0 || has_two_clients(&s->parking, b->now_ms) ||
            is_only_client(s, b->client, slot));
}

bool parking_note(struct segment *s, uint64_t number, unsigned least,
                  const struct parking_breach *b)
{
    struct segment_parking *p = &s->parking;
    uint64_t parked = atomic_load(&p->parked);

    if (least == 0 || parked == number || number != parking_number(s))
        return false;
    recent_add(&s->workers[b->worker].failed, recent_slot(b->now_ms));
    note_client(p, b->client, b->now_ms);
    if (!is_too_many(s, least, b))
        return false;
    atomic_store(&p->cause, pack(b->cause));
    atomic_store(&p->told_ms, b->now_ms);
    atomic_store(&p->since_ms, b->now_ms);
    atomic_store(&p->trials, 0);
    atomic_store(&p->trial_ms, 0);
    atomic_store(&p->rests_ms, b->now_ms + PARKING_REST_MS);
    atomic_store(&p->fresh_ms, b->now_ms + PARKING_REST_MS);
    return atomic_compare_exchange_strong(&p->parked, &parked, number);
}

/* --- parked --- */

static bool is_fresh(const struct segment_parking *p, uint64_t client)
{
    return client != 0 && atomic_load(&p->failing[0].client) != client &&
           atomic_load(&p->failing[1].client) != client;
}

bool parking_may_try(struct segment *s, uint64_t number, uint64_t client, uint64_t now_ms,
                     uint64_t patience_ms)
{
    struct segment_parking *p = &s->parking;
    uint64_t trial_ms = atomic_load(&p->trial_ms);
    uint64_t rests_ms = atomic_load(is_fresh(p, client) ? &p->fresh_ms : &p->rests_ms);

    return parking_is_parked(s, number) && now_ms >= rests_ms && now_ms >= trial_ms &&
           atomic_compare_exchange_strong(&p->trial_ms, &trial_ms, now_ms + patience_ms);
}

bool parking_end(struct segment *s, uint64_t number, uint64_t *since_ms)
{
    *since_ms = atomic_load(&s->parking.since_ms);
    return atomic_compare_exchange_strong(&s->parking.parked, &number, 0);
}

void parking_go_on(struct segment *s, uint64_t number, uint64_t client, uint64_t now_ms)
{
    uint32_t trials;
    uint64_t rest_ms;

    if (!parking_is_parked(s, number))
        return;
    trials = atomic_fetch_add(&s->parking.trials, 1) + 1;
    rest_ms = trials < 6 ? (uint64_t)PARKING_REST_MS << trials : PARKING_REST_MAX_MS;
    note_client(&s->parking, client, now_ms);
    atomic_store(&s->parking.rests_ms, now_ms + rest_ms);
    atomic_store(&s->parking.fresh_ms, now_ms + PARKING_REST_MS);
    atomic_store(&s->parking.trial_ms, 0);
}

void parking_let_try(struct segment *s, uint64_t number)
{
    if (parking_is_parked(s, number))
        atomic_store(&s->parking.trial_ms, 0);
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
