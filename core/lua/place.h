/*
 * place - the beginning of a message of Lua's: "balancer.lua:7: ..".
 *
 * Lua shortens a long path to its end, "...ncer/conf/balancer.lua:7: ..", and people look for the
 * whole.
 */
#ifndef LUA_PLACE_H
#define LUA_PLACE_H

#include "lua/bundle.h"

/* Does the message begin with that path, whole or shortened? Then *behind is the rest: ":7: ..". */
bool place_begins(struct slice message, const char *path, struct slice *behind);
/* The path of the module, or else the script, with which it begins, and *message is the rest; NULL:
 * it begins with none. */
const char *place_find(struct slice *message, const char *script, const struct bundle *modules);
unsigned place_line(struct slice behind); /* 7; 0: there is none */

#endif
