/*
 * sleep - lb.sleep(seconds), the shortest function that awaits.
 */
#ifndef POLICY_SLEEP_H
#define POLICY_SLEEP_H

#include <lua.h>

void sleep_offer(lua_State *); /* to the scripts of this state; within a protected call */

#endif
