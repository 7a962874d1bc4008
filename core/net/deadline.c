#include "net/deadline.h"

void deadline_init(struct deadline *d, void (*on_passed)(struct deadline *))
{
    list_init(&d->node);
    d->at_ms = d->placed_ms = 0;
    d->on_passed = on_passed;
}

void deadline_set(struct loop *loop, struct deadline *d, uint64_t delay_ms)
{
    uint64_t now_ms = loop_now_ms(loop);

    wheel_set(&loop->wheel, d, now_ms < loop->noted_ms ? loop->noted_ms : now_ms, delay_ms);
}

void deadline_rest(struct deadline *d)
{
    d->at_ms = DEADLINE_NEVER;
}

void deadline_clear(struct deadline *d)
{
    list_remove(&d->node);
}
