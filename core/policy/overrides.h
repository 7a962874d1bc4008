/*
 * overrides - what choose gives with a backend: timeouts, Host, path, fields. policy/overrides.lua
 * sets them one by one, by these names. Nothing that comes from there is trusted.
 */
#ifndef POLICY_OVERRIDES_H
#define POLICY_OVERRIDES_H

#include "policy/bindings.h"

/* False: it cannot be that. Texts are copied to the request's arena. */
/* which: 0 connect, 1 response_head, 2 response_body, 3 deadline. */
bool policy_override_time(struct binding_call *, uint32_t which, double seconds);
bool policy_override_host(struct binding_call *, const char *text, size_t length);
bool policy_override_path(struct binding_call *, const char *text, size_t length);
/* use: FIELD_IN_REQUEST or _RESPONSE; value may be NULL: the field is removed. Gives an enum
 * field_fault. */
uint32_t policy_override_field(struct binding_call *, uint32_t use, const char *name,
                               size_t name_length, const char *value, size_t value_length);

#endif
