/*
 * old_plans - scripts that were replaced let go of what their requests no longer need.
 *
 * A request that is being answered, or is a tunnel, asks its script nothing more but on_done. So
 * the Lua state of an old script goes when only such requests are left and there is no on_done,
 * and of its backends only those that they use stay. If too many old scripts are kept by on_done,
 * that of the oldest is called no more.
 */
#ifndef PROXY_OLD_PLANS_H
#define PROXY_OLD_PLANS_H

#include "proxy/proxy.h"

enum { OLD_PLANS_MAX = 8 }; /* Lua states that are kept for requests of old scripts */

/* Call after proxy_follow, and once a second. Never inside a call of a script. */
void old_plans_let_go(struct proxy *);

#endif
