/*
 * allow - may a source send requests to these addresses? The setting discovery.allow.
 *
 * Never to lb itself, and not to link-local addresses, where clouds tell their secrets, unless the
 * setting has them. Names are not looked at: what they lead to is known later.
 */
#ifndef DISCOVER_ALLOW_H
#define DISCOVER_ALLOW_H

#include "config/config.h"
#include "discover/found.h"

/* False, and which entry may not be, in *wrong. */
bool allow_check(const struct config *, const struct found_list *, struct buffer *wrong) MUST_USE;

#endif
