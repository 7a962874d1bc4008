/*
 * context - what ctx reads and writes beside the plain facts; for policy/context.lua, by name.
 */
#ifndef POLICY_CONTEXT_H
#define POLICY_CONTEXT_H

#include "policy/facts.h"

enum { CONTEXT_EXPLAIN_MAX = 16, CONTEXT_EXPLAIN_BYTES_MAX = 1024 };

/* Who the client is, as limits.per_client counts: "192.0.2.1", "2001:db8:1:2::/64". Good until the
 * next call. */
const struct slice *context_client(const struct facts_request *);
/* As hosts and paths are compared (http/target.h, http/path.h): made when they are first asked for,
 * and kept with the request. NULL: not everybody reads this path alike; the fault says why. */
const struct slice *context_host(struct facts_request *);
const struct slice *context_clean_path(struct facts_request *);
const char *context_clean_path_fault(struct facts_request *); /* NULL: there is none */

struct context_cookie { /* the layout is also in policy/context.lua */
    struct slice name, value;
    uint32_t field;      /* where the next one is to be looked for: in this field, */
    uint32_t from_bytes; /* from here on in its value */
};

/* The next cookie, in the order of the fields, of that name, or of any if name is NULL; all zero
 * begins at the first. False: there are no more. */
bool context_next_cookie(const struct facts_request *, const char *name, size_t length,
                         struct context_cookie *);

void context_no_log(struct facts_request *); /* it will have no access line */

/* Adds a pair to what the access line explains, or changes the one with that key. A literal is a
 * number or a boolean, which JSON writes without quotes. A pair beyond
 * CONTEXT_EXPLAIN_MAX, or for whose bytes there is no room, is left out. */
void context_explain(struct facts_request *, const char *key, size_t key_length, const char *value,
                     size_t value_length, bool is_literal);

#endif
