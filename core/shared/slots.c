#include "shared/slots.h"

#include "base/hash.h"

/* With the NUL: "ab", "c" is another than "a", "bc". */
static struct slice with_end(const char *text)
{
    return (struct slice){text, strlen(text) + 1};
}

uint64_t slots_identity(const char *name, const char *address)
{
    uint64_t hash = hash_add(hash_add(HASH_START, with_end(name)), with_end(address));

    return hash != 0 ? hash : 1;
}

bool slots_has(const struct slots *s, unsigned slot)
{
    return s->identity[slot] != 0 && !s->is_left[slot];
}

/* The slot that has it; SEGMENT_BACKENDS_MAX: none. */
static unsigned find_identity(const struct slots *s, uint64_t identity)
{
    unsigned slot = 0;

    while (slot < SEGMENT_BACKENDS_MAX && s->identity[slot] != identity)
        slot++;
    return slot;
}

bool slots_find(const struct slots *s, const uint64_t *identities, unsigned count, uint16_t *out)
{
    unsigned next_free = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned slot = find_identity(s, identities[i]);

        if (slot == SEGMENT_BACKENDS_MAX) {
            while (next_free < SEGMENT_BACKENDS_MAX && s->identity[next_free] != 0)
                next_free++;
            slot = next_free++;
        }
        if (slot >= SEGMENT_BACKENDS_MAX)
            return false;
        out[i] = (uint16_t)slot;
    }
    return true;
}

void slots_follow(struct slots *s, const uint64_t *identities, const uint16_t *places,
                  unsigned count)
{
    for (unsigned slot = 0; slot < SEGMENT_BACKENDS_MAX; slot++)
        s->is_left[slot] = s->identity[slot] != 0;
    for (unsigned i = 0; i < count; i++) {
        s->identity[places[i]] = identities[i];
        s->is_left[places[i]] = false;
    }
}

bool slots_is_left(const struct slots *s, unsigned slot)
{
    return s->is_left[slot];
}

void slots_give_back(struct slots *s, unsigned slot)
{
    s->identity[slot] = 0;
    s->is_left[slot] = false;
}
