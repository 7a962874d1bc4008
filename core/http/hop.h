/*
 * hop - what each field of a head is to a proxy: of this connection, of the message, or ours.
 *
 * Every field is looked at once, and what it is does not depend on the direction; what follows
 * from it, forward decides.
 */
#ifndef HTTP_HOP_H
#define HTTP_HOP_H

#include "base/arena.h"
#include "http/head.h"

enum field_kind {
    FIELD_OTHER,      /* unknown to us: goes on, unless Connection names it (FIELD_NAMED) */
    FIELD_END_TO_END, /* well known: Connection has named it, in vain */

    FIELD_CONNECTION,
    FIELD_HOP,   /* ends here always (RFC 9110, 7.6.1 and 11.7) */
    FIELD_NAMED, /* ends here because Connection names it */
    FIELD_TE,
    FIELD_UPGRADE,
    FIELD_TRAILER,

    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_LOOK_ALIKE, /* Content_Length, X_Forwarded_For: see hop_kind_of */
    FIELD_HOST,
    FIELD_EXPECT,
    FIELD_DATE,
    FIELD_MAX_FORWARDS,
    FIELD_CREDENTIALS, /* what a client proves itself with: Authorization, Cookie and the like */

    FIELD_FORWARDED,
    FIELD_X_FORWARDED_FOR,
    FIELD_X_FORWARDED_PROTO,
    FIELD_X_FORWARDED_HOST,
    FIELD_X_FORWARDED_PORT,
    FIELD_X_FORWARDED, /* another of these names */
    FIELD_KINDS,
};

struct hop {
    unsigned char *kinds; /* an enum field_kind for each field, in the arena */
    uint32_t seen;        /* a bit for each kind that is among them */
};

/* By the name alone. CGI, and what descends from it, makes CONTENT_LENGTH of Content-Length, and
 * so it does of Content_Length; PHP of Content.Length, and lighttpd of any sign in that place. A
 * backend behind such an interface could take a client's field for the one that we have checked
 * and written: look-alikes of framing fields and of X-Forwarded-* have a kind of their own, and
 * no honest sender. */
enum field_kind hop_kind_of(struct slice name);

/* The kinds of fields, which are the head's own or its trailers; the head's Connection counts. */
struct hop hop_sort(struct arena *, const struct head *, const struct field *fields,
                    unsigned count);

static inline enum field_kind hop_kind(const struct hop *hop, unsigned field)
{
    return (enum field_kind)hop->kinds[field];
}

static inline bool hop_has(const struct hop *hop, enum field_kind kind)
{
    return (hop->seen >> kind & 1) != 0;
}

/* May a field of that kind and name be a trailer (RFC 9110, 6.5.1)? Not if it says how to read,
 * route or answer a message, which has been done when it comes. Unknown ones may. */
bool hop_may_trail(enum field_kind, struct slice name);

#endif
