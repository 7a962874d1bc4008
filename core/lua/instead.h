/*
 * instead - what scripts have in place of what other Lua programs have.
 *
 * "attempt to index global 'io' (a nil value)" does not say what to do; this adds it.
 */
#ifndef LUA_INSTEAD_H
#define LUA_INSTEAD_H

#include "base/slice.h"

/* What there is in place of the name that an error of Lua's says is nil; NULL if nothing is known
 * of it. Static. */
const char *instead_of(struct slice message);

#endif
