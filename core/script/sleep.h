/*
 * sleep - lb.sleep(seconds), the shortest function that awaits.
 */
#ifndef SCRIPT_SLEEP_H
#define SCRIPT_SLEEP_H

#include <lua.h>

void sleep_offer(lua_State *); /* to the scripts of this state; within a protected call */

#endif
