/*
 * hop_fields - what each field of a head is to a proxy: of a connection, of the message, or ours.
 *
 * Every field is looked at once, and what it is does not depend on the direction; what follows
 * from it, forward decides.
 */
#ifndef HTTP_HOP_FIELDS_H
#define HTTP_HOP_FIELDS_H

#include "base/arena.h"
#include "http/head.h"

struct hop_fields {
    const unsigned char *kinds; /* one per field, as in a head; the head's own, or in the arena */
    uint32_t seen;
};

/* The kinds of fields, which are the head's own or its trailers; the head's Connection counts. */
struct hop_fields hop_sort(struct arena *, const struct head *, const struct field *fields,
                           unsigned count);

static inline enum field_kind hop_kind(const struct hop_fields *hop, unsigned field)
{
    return (enum field_kind)(hop->kinds[field] & ~FIELD_IS_PLAIN);
}

/* Is its line as it would be written? */
static inline bool hop_is_plain(const struct hop_fields *hop, unsigned field)
{
    return (hop->kinds[field] & FIELD_IS_PLAIN) != 0;
}

static inline bool hop_has(const struct hop_fields *hop, enum field_kind kind)
{
    return (hop->seen >> kind & 1) != 0;
}

/* Does a field of that name end here because Connection names it? */
bool hop_is_named(const struct head *, struct slice name);

/* May a field of that kind and name be a trailer (RFC 9110, 6.5.1)? Not if it says how to read,
 * route or answer a message, which has been done when it comes. Unknown ones may. */
bool hop_may_trail(enum field_kind, struct slice name);

#endif
