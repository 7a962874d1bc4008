/*
 * http_client - lb.http: requests of scripts, as a C function that awaits.
 */
#ifndef SCRIPT_HTTP_CLIENT_H
#define SCRIPT_HTTP_CLIENT_H

#include <lua.h>

void http_client_offer(lua_State *); /* within a protected call */

#endif
