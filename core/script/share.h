/*
 * share - of one turn of the loop: what scripts take by waking up, from lb.sleep and for lb.after
 * and lb.every.
 *
 * Each of those calls is within its budget, but there may be a thousand due at once. When they
 * have had their share of a turn the others wait for the next one, and what clients and backends
 * have sent meanwhile comes first.
 */
#ifndef SCRIPT_SHARE_H
#define SCRIPT_SHARE_H

#include "net/deadline.h"

/* A deadline has come, to run something of a script. False: its share of this turn is used up, and
 * the deadline comes again in the next one. */
bool share_begin(struct loop *, struct deadline *);
void share_end(const struct loop *); /* what share_begin allowed has run */

#endif
