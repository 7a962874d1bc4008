/*
 * field_rules - which header fields lb decides itself, and which a script or a setting may set.
 * Pure.
 *
 * A field that says where a message ends, or what happens to the connection, is lb's own in every
 * use. Whether another field is lb's own depends on the use.
 */
#ifndef HTTP_FIELD_RULES_H
#define HTTP_FIELD_RULES_H

#include "base/slice.h"

#include <stdbool.h>

enum field_use {
    FIELD_IN_REQUEST,  /* that is forwarded */
    FIELD_IN_RESPONSE, /* that is forwarded, or a page of the settings */
    FIELD_IN_ANSWER,   /* of a script, as by ctx:respond */
    FIELD_IN_FETCH,    /* a request of lb.http */
};

enum field_fault {
    FIELD_FINE,
    FIELD_BAD_NAME,  /* not a token */
    FIELD_BAD_VALUE, /* control bytes in it */
    FIELD_OURS,
    FIELD_TOO_MANY, /* changes_add: more than a head should have room for */
};

/* Does lb alone decide that field there? The name is a token. Via may be removed where it may not
 * be set. */
bool field_is_ours(enum field_use, struct slice name, bool is_removed);
/* May the field be set there, or, with a value of NULL, be removed? */
enum field_fault field_check(enum field_use, struct slice name, const struct slice *value);

#endif
