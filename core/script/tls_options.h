/*
 * tls_options - how lb.http and lb.tcp are to secure a connection, as core/lua/clients.lua has it.
 */
#ifndef SCRIPT_TLS_OPTIONS_H
#define SCRIPT_TLS_OPTIONS_H

#include "dial/secured.h"

#include <lua.h>

enum { TLS_OPTIONS = 5 }; /* arguments from `first` on: name, ca, cert, key, verify */

/* False: the script gives none; *wish has the defaults. The texts are Lua's. */
bool tls_options_read(lua_State *, int first, struct secured_wish *wish);
/* Is the name right, if the script gives one? */
bool tls_options_name_is_right(const struct secured_wish *);
extern const char tls_options_wrong_name[]; /* what is wrong, in words */

#endif
