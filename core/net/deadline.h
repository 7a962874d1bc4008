/*
 * deadline - a moment at which something must have happened.
 *
 * It waits in its loop's timer wheel (net/wheel.h) and passes once, as an event of the
 * loop, up to 1 ms late and never early. Set it again from there if it shall repeat.
 */
#ifndef NET_DEADLINE_H
#define NET_DEADLINE_H

#include "net/loop.h"

void deadline_init(struct deadline *, void (*on_passed)(struct deadline *));
/* From now; moves it if it is set. The loop borrows it until it has passed or is cleared. */
void deadline_set(struct loop *, struct deadline *, uint64_t delay_ms);
void deadline_clear(struct deadline *); /* in any state */

/* In any state: clears the deadline of an owner that soon sets it again. It must still be cleared
 * before its memory is given back. */
void deadline_rest(struct deadline *);

static inline bool deadline_is_set(const struct deadline *d)
{
    return list_has_node(&d->node) && d->at_ms != DEADLINE_NEVER;
}

#endif
