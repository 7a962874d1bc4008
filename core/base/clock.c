#include "base/clock.h"

/* How far apart the two clocks are is looked up again after this: the wall clock can be set. */
enum { APART_US = 1000 };

uint64_t clock_wall_at(uint64_t steady_us)
{
    static uint64_t looked_us, apart_us;

    if (looked_us == 0 || steady_us - looked_us >= APART_US) {
        looked_us = clock_steady_us();
        apart_us = clock_wall_us() - looked_us;
    }
    return steady_us + apart_us;
}
