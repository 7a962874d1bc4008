/*
 * shortage - who gives way when a script's memory is nearly used up.
 *
 * Calls that await hold what they have made so far, which may be what clients have sent; all of a
 * VM together must not use it up for those to come. So when three quarters are in use, with
 * no garbage in it, the calls that wait and hold most are ended, one after the other: answered for
 * like any that failed, but none that counts towards parking.
 */
#ifndef POLICY_SHORTAGE_H
#define POLICY_SHORTAGE_H

#include "policy/script_state.h"

void shortage_init(struct script *);
void shortage_look(struct script *); /* after a call; the loop does the rest */
/* Do those that wait hold a good part of it, and more than this one? */
bool shortage_is_of_others(const struct script *, const struct coroutine *);
void shortage_dispose(struct script *);

#endif
