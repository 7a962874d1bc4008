/*
 * wheel - core/net/wheel.c and the deadlines in it, on a clock that a spec moves, so that hours
 * pass in no time.
 */
#include "net/deadline.c"
#include "net/wheel.c"

#include <stdlib.h>

enum { DEADLINES = 1000 };

static struct loop loop;
static struct deadline deadlines[DEADLINES];
static uint64_t clock_ms;
static void (*on_fired)(int);

uint64_t uv_now(const uv_loop_t *uv)
{
    (void)uv;
    return clock_ms;
}

static void on_passed(struct deadline *d)
{
    on_fired((int)(d - deadlines));
}

void play_begin(uint64_t now_ms, void (*fired)(int))
{
    clock_ms = now_ms;
    on_fired = fired;
    wheel_init(&loop.wheel, now_ms);
    for (int i = 0; i < DEADLINES; i++)
        deadline_init(&deadlines[i], on_passed);
}

/* When the wheel wants to be turned; UINT64_MAX: never. */
uint64_t play_alarm(void)
{
    return loop.wheel.next_ms;
}

/* The loop wakes at that time, by itself or of something else. */
void play_wake(uint64_t now_ms)
{
    clock_ms = now_ms;
}

void play_turn(void)
{
    struct deadline *d;

    while ((d = wheel_pass(&loop.wheel, clock_ms)) != NULL)
        d->on_passed(d);
}

void play_set(int i, uint64_t delay_ms)
{
    deadline_set(&loop, &deadlines[i], delay_ms);
}

void play_clear(int i)
{
    deadline_clear(&deadlines[i]);
}

void play_rest(int i)
{
    deadline_rest(&deadlines[i]);
}

bool play_is_set(int i)
{
    return deadline_is_set(&deadlines[i]);
}
