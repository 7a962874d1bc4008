/*
 * tcp_client - lb.tcp: connections of scripts, as C functions that await.
 *
 * A connection is the script's as long as it has it, over calls too: a pool in a table is a few
 * lines of Lua. It is closed by conn:close(), when anything on it fails, when the call that awaits
 * on it is thrown away, by the collector, and with the script.
 */
#ifndef SCRIPT_TCP_CLIENT_H
#define SCRIPT_TCP_CLIENT_H

#include <lua.h>

void tcp_client_offer(lua_State *); /* within a protected call */
/* If no more connections may be opened, lets go of those that the script has no more. */
void tcp_client_make_room(lua_State *);

#endif
