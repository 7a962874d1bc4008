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

#include "net/loop.h"

bool share_is_left(const struct loop *); /* false: come again in the next turn */
/* What was begun at that time (clock_steady_us) has taken until now. */
void share_note(const struct loop *, uint64_t begun_us);

#endif
