#include "shared/events.h"

#include "base/hash.h"
#include "base/log.h"
#include "shared/bytes.h"

static struct segment_event *event_at(struct segment_events *e, uint64_t number)
{
    return &e->ring[number % EVENTS_KEPT];
}

static uint64_t hash_of(uint64_t number, struct slice bytes)
{
    return hash_add(hash_mix(number * EVENT_BYTES + bytes.length), bytes);
}

static void put(struct segment_events *e, struct slice bytes)
{
    uint64_t number = atomic_fetch_add(&e->count, 1);
    struct segment_event *event = event_at(e, number);

    atomic_store_explicit(&event->hash, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    bytes_write(event->words, bytes.start, bytes.length);
    atomic_store_explicit(&event->length, bytes.length, memory_order_relaxed);
    atomic_store_explicit(&event->number, number, memory_order_relaxed);
    atomic_store_explicit(&event->hash, hash_of(number, bytes), memory_order_release);
}

static bool are_wanted(void *owner)
{
    struct segment_events *e = owner;

    return atomic_load_explicit(&e->are_wanted, memory_order_relaxed) != 0;
}

static void on_event(void *owner, struct slice json)
{
    if (json.length <= EVENT_BYTES)
        put(owner, json);
}

void events_tap(struct segment *s)
{
    log_tap(are_wanted, on_event, &s->events);
}

/* The level + 1 in the lowest byte. */
void events_set_level(struct segment *s, int level, uint64_t until_ms)
{
    atomic_store(&s->log_level, until_ms << 8 | (uint64_t)(level + 1));
}

int events_follow_level(const struct segment *s, uint64_t now_ms, uint64_t *until_ms)
{
    uint64_t word = atomic_load_explicit(&s->log_level, memory_order_relaxed);
    int level = word >> 8 > now_ms ? (int)(word & 0xff) - 1 : LOG_AS_OPENED;

    if (until_ms != NULL)
        *until_ms = word >> 8;
    log_set_least(level);
    return level;
}

uint64_t events_next(const struct segment *s)
{
    return atomic_load(&s->events.count);
}

static bool read_whole(const struct segment_event *event, uint64_t number, char *room,
                       struct slice *out)
{
    uint64_t hash = atomic_load_explicit(&event->hash, memory_order_acquire);
    uint64_t length = atomic_load_explicit(&event->length, memory_order_relaxed);

    if (atomic_load_explicit(&event->number, memory_order_relaxed) != number ||
        length > EVENT_BYTES)
        return false;
    bytes_read(event->words, room, length);
    *out = (struct slice){room, length};
    return hash_of(number, *out) == hash;
}

struct slice events_read(const struct segment *s, uint64_t *number, char room[EVENT_BYTES])
{
    uint64_t count = events_next(s);
    struct slice found;

    if (count > EVENTS_KEPT && *number < count - EVENTS_KEPT)
        *number = count - EVENTS_KEPT;
    while (*number < count) {
        const struct segment_event *event = &s->events.ring[*number % EVENTS_KEPT];
        bool is_whole = read_whole(event, *number, room, &found);

        (*number)++;
        if (is_whole)
            return found;
    }
    return (struct slice){room, 0};
}
