/*
 * The key's low bits choose a set; within it a key has any free entry, and keeps it
 * while it has connections:
 *
 *   sets[key % CLIENTS_BY_ADDRESS_SETS]   keys   [ a | 0 | b | .. ]    0: free
 *                                         counts [ 3 | 0 | 1 | .. ]
 *
 * An entry is named while its count is 0, and is 0 again before it is free. So a reader
 * that finds the key before and behind a count has a count of that key. It may miss a key
 * that moves, as its connections ended and a new one began meanwhile: but that connection
 * was added after the reader's own, and sees it.
 *
 * At least one of two must see the other. That needs one order of all steps: the default
 * of C11's atomics, and no weaker one.
 */
#include "shared/clients_by_address.h"

#include "base/sha256.h"

#include <string.h>

enum { NO_ENTRY = CLIENTS_BY_ADDRESS_WAYS };

static struct segment_clients_by_address_set *set_of(struct segment *s, unsigned worker,
                                                     uint64_t key)
{
    CHECK(worker < SEGMENT_WORKERS_MAX);
    return &s->clients_by_address[worker].sets[key % CLIENTS_BY_ADDRESS_SETS];
}

/* The first entry with this key; 0 finds a free one. */
static unsigned set_find(const struct segment_clients_by_address_set *set, uint64_t key)
{
    unsigned i = 0;

    while (i < CLIENTS_BY_ADDRESS_WAYS && atomic_load(&set->keys[i]) != key)
        i++;
    return i;
}

static uint32_t set_count(const struct segment_clients_by_address_set *set, uint64_t key)
{
    unsigned entry = set_find(set, key);
    uint32_t count;

    if (entry == NO_ENTRY)
        return 0;
    count = atomic_load(&set->counts[entry]);
    return atomic_load(&set->keys[entry]) == key ? count : 0;
}

uint64_t clients_by_address_key(const struct segment *s, const uint8_t client[16])
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 hash;
    uint64_t key;

    sha256_init(&hash);
    sha256_add(&hash, (struct slice){(const char *)s->clients_by_address_secret,
                                     CLIENTS_BY_ADDRESS_SECRET_BYTES});
    sha256_add(&hash, (struct slice){(const char *)client, 16});
    sha256_end(&hash, digest);
    memcpy(&key, digest, sizeof key);
    return key != 0 ? key : 1;
}

uint32_t clients_by_address_add(struct segment *s, unsigned worker, uint64_t key)
{
    struct segment_clients_by_address_set *set = set_of(s, worker, key);
    unsigned entry = set_find(set, key);

    if (entry == NO_ENTRY) {
        entry = set_find(set, 0);
        if (entry == NO_ENTRY)
            return 0;
        atomic_store(&s->clients_by_address[worker].is_used, 1);
        atomic_store(&set->keys[entry], key);
    }
    atomic_fetch_add(&set->counts[entry], 1);
    return clients_by_address_count(s, key);
}

void clients_by_address_remove(struct segment *s, unsigned worker, uint64_t key)
{
    struct segment_clients_by_address_set *set = set_of(s, worker, key);
    unsigned entry = set_find(set, key);

    CHECK(entry != NO_ENTRY);
    if (atomic_fetch_sub(&set->counts[entry], 1) == 1)
        atomic_store(&set->keys[entry], 0);
}

uint32_t clients_by_address_count(const struct segment *s, uint64_t key)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < segment_workers(s); i++)
        count += set_count(&s->clients_by_address[i].sets[key % CLIENTS_BY_ADDRESS_SETS], key);
    return count;
}

void clients_by_address_forget_worker(struct segment *s, unsigned worker)
{
    CHECK(worker < SEGMENT_WORKERS_MAX);
    if (atomic_exchange(&s->clients_by_address[worker].is_used, 0) == 0)
        return; /* no page of it was touched, and none has to be */
    for (unsigned i = 0; i < CLIENTS_BY_ADDRESS_SETS; i++)
        for (unsigned j = 0; j < CLIENTS_BY_ADDRESS_WAYS; j++) {
            atomic_store(&s->clients_by_address[worker].sets[i].counts[j], 0);
            atomic_store(&s->clients_by_address[worker].sets[i].keys[j], 0);
        }
}
