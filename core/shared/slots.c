#include "shared/slots.h"

#include <string.h>

static uint64_t add_text(uint64_t hash, const char *text)
{
    size_t length = strlen(text) + 1; /* with the NUL: "ab", "c" is another than "a", "bc" */

    for (size_t i = 0; i < length; i++) /* FNV-1a */
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return hash;
}

uint64_t slots_identity(const char *name, const char *address)
{
    uint64_t hash = add_text(add_text(0xcbf29ce484222325u, name), address);

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
