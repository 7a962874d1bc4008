/*
 * given - the source "admin": the list that a person, or a program, puts over the admin listener.
 */
#ifndef DISCOVER_GIVEN_H
#define DISCOVER_GIVEN_H

#include "discover/source.h"

extern const struct source_kind given_kind;

#endif
