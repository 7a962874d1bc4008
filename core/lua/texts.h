/*
 * texts - what scripts do with texts and is C: core/lua/texts.lua and json.lua call these by name.
 * Each takes time by the length of what it is given; they bound that.
 */
#ifndef LUA_TEXTS_H
#define LUA_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool texts_equal(const char *a, const char *b, size_t length); /* takes as long for any bytes */
size_t texts_utf8(const char *text, size_t length);            /* how much of it is UTF-8 */

/* An event of the script with members besides its message: names and values in turn, each with a
 * NUL behind it, a name as log_pair has it. Level: enum log_level. */
void texts_log(uint32_t level, const char *message, const char *const *members, uint32_t count);

#endif
