/*
 * field_changes - header fields that a script sets or removes before a head is forwarded. Pure.
 *
 * Each use is FIELD_IN_REQUEST or FIELD_IN_RESPONSE.
 */
#ifndef HTTP_FIELD_CHANGES_H
#define HTTP_FIELD_CHANGES_H

#include "base/arena.h"
#include "http/field_rules.h"
#include "http/head.h"

struct field_changes {  /* all zero: none */
    struct field *list; /* a removed field's value starts nowhere */
    unsigned count, room;
    size_t bytes; /* of names and values */
};

/* One more: the value instead of what came under that name, next to other values for the name;
 * NULL: nothing instead. Copies both to the arena. */
enum field_fault changes_add(struct field_changes *, struct arena *, enum field_use,
                             struct slice name, const struct slice *value);

/* Adds the changes of a hook that was called before: where both name a field, or a cookie, `before`
 * does not count. For responses. */
void changes_lay_over(struct field_changes *, struct arena *, const struct field_changes *before);

/* Does a field that came make way? In a request so does one whose name differs in other signs than
 * letters and digits only: to a backend behind CGI X_User is X-User. In a response a Set-Cookie
 * makes way for one of the same cookie, as each line is a cookie of its own (RFC 9110, 5.3).
 * changes may be NULL, here and below. */
bool changes_find_drop(const struct field_changes *, enum field_use, const struct field *);
bool changes_find_name(const struct field_changes *, struct slice name);

/* The value that is forwarded in the place of what came, the last of several; NULL: none. */
const struct slice *changes_find_value(const struct field_changes *, struct slice name);

static inline bool changes_drop(const struct field_changes *changes, enum field_use use,
                                const struct field *came)
{
    return changes != NULL && changes_find_drop(changes, use, came);
}

/* Is it set, or removed? */
static inline bool changes_name(const struct field_changes *changes, struct slice name)
{
    return changes != NULL && changes_find_name(changes, name);
}

#endif
