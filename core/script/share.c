#include "script/share.h"

#include "base/clock.h"

enum { SHARE_US = 10000 }; /* and what the one that exceeds it takes more */

/* One process has one loop. A turn is known by the time at which its wait ended. */
static uint64_t turn_ms, taken_us;

bool share_is_left(const struct loop *loop)
{
    return turn_ms != loop_now_ms(loop) || taken_us < SHARE_US;
}

void share_note(const struct loop *loop, uint64_t begun_us)
{
    if (turn_ms != loop_now_ms(loop))
        taken_us = 0;
    turn_ms = loop_now_ms(loop);
    taken_us += clock_steady_us() - begun_us;
}
