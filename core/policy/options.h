/*
 * options - what a choose wants otherwise for the backend that it returns: policy/options.lua
 * gives it piece by piece, by these names. Nothing that comes from there is trusted.
 */
#ifndef POLICY_OPTIONS_H
#define POLICY_OPTIONS_H

#include "policy/bindings.h"

enum option_time { OPTION_CONNECT, OPTION_RESPONSE_HEAD, OPTION_RESPONSE_BODY, OPTION_DEADLINE };

/* False: not what could be. Texts are copied to the request's arena. */
bool policy_option_time(struct binding_call *, uint32_t which, double seconds);
bool policy_option_host(struct binding_call *, const char *text, size_t length);
bool policy_option_path(struct binding_call *, const char *text, size_t length);
/* of: an enum changes_of; value may be NULL: the field is removed. Gives an enum changes_fault. */
uint32_t policy_option_field(struct binding_call *, uint32_t of, const char *name,
                             size_t name_length, const char *value, size_t value_length);

#endif
