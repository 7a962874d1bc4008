/*
 * deadline - a moment at which something must have happened.
 *
 * A node in the loop's timer wheel: setting, moving and clearing one is a list
 * operation. It fires once, up to 1 ms late and never early, as an event of the
 * loop; set it again from there if it shall repeat.
 */
#ifndef NET_DEADLINE_H
#define NET_DEADLINE_H

#include "net/loop.h"

struct deadline {
    struct list_node node;
    uint64_t at_ms;
    void (*on_passed)(struct deadline *);
};

void deadline_init(struct deadline *, void (*on_passed)(struct deadline *));
void deadline_set(struct loop *, struct deadline *,
                  uint64_t delay_ms);   /* from now; moves it if set */
void deadline_clear(struct deadline *); /* in any state */

static inline bool deadline_is_set(const struct deadline *d)
{
    return list_has_node(&d->node);
}

/* For net/loop.c. */
void wheel_init(struct loop *);
void wheel_turn(struct loop *); /* fires what is due */
void wheel_arm(struct loop *);  /* sees to it that the loop wakes up for the next one */

#endif
