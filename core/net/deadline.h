/*
 * deadline - a moment at which something must have happened.
 *
 * A node in the loop's timer wheel: setting and clearing one is a list operation, moving it to a
 * later time or letting it rest a single store. It fires once, up to 1 ms late and never early, as
 * an event of the loop; set it again from there if it shall repeat.
 */
#ifndef NET_DEADLINE_H
#define NET_DEADLINE_H

#include "net/loop.h"

#define DEADLINE_NEVER UINT64_MAX

struct deadline {
    struct list_node node;
    uint64_t at_ms;     /* DEADLINE_NEVER: at rest */
    uint64_t placed_ms; /* where it is in the wheel: at_ms, or earlier */
    void (*on_passed)(struct deadline *);
};

void deadline_init(struct deadline *, void (*on_passed)(struct deadline *));
void deadline_set(struct loop *, struct deadline *,
                  uint64_t delay_ms);   /* from now; moves it if set */
void deadline_clear(struct deadline *); /* in any state */

/* Not set, in any state, and soon set again: for one that lives on. It must still be cleared
 * before its memory is given back. */
void deadline_rest(struct deadline *);

static inline bool deadline_is_set(const struct deadline *d)
{
    return list_has_node(&d->node) && d->at_ms != DEADLINE_NEVER;
}

/* For net/loop.c. */
void wheel_init(struct loop *);
void wheel_turn(struct loop *); /* fires what is due */
void wheel_arm(struct loop *);  /* sees to it that the loop wakes up for the next one */

#endif
