/*
 * schema - a list of backends as JSON:
 *
 *   [ "10.0.0.1:80", { "address": "10.0.0.2:80", "name": "b", "weight": 2, "tags": { "zone": "a" },
 *     "priority": 1, "max_in_flight": 100, "draining": true } ]
 *
 * Unknown members, members that are there twice and what is behind the list are refused.
 */
#ifndef DISCOVER_SCHEMA_H
#define DISCOVER_SCHEMA_H

#include "discover/found.h"

/* Adds all to the list, which is empty. False, and the words with the place in *wrong. */
bool schema_read(struct found_list *, struct slice json, struct buffer *wrong) MUST_USE;

#endif
