#include "script/share.h"

#include "base/clock.h"

enum { SHARE_US = 10000 }; /* and what the call that exceeds it takes more */

/* One process has one loop. A turn is known by the time at which its wait ended. */
static uint64_t turn_ms, taken_us, begun_us;

bool share_begin(struct loop *loop, struct deadline *deadline)
{
    if (turn_ms == loop_now_ms(loop) && taken_us >= SHARE_US) {
        deadline_set(loop, deadline, 0);
        return false;
    }
    begun_us = clock_steady_us();
    return true;
}

void share_end(const struct loop *loop)
{
    if (turn_ms != loop_now_ms(loop))
        taken_us = 0;
    turn_ms = loop_now_ms(loop);
    taken_us += clock_steady_us() - begun_us;
}
