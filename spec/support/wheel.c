/*
 * wheel - the timer wheel of core/net/deadline.c alone, on a clock that a spec moves.
 *
 * What deadline.c wants of libuv is here, so hours pass in no time.
 */
#include "net/deadline.c"

#include <stdlib.h>

enum { DEADLINES = 1000 };

static struct loop loop;
static struct deadline deadlines[DEADLINES];
static uint64_t clock_ms, alarm_ms;
static void (*on_fired)(int);

uint64_t uv_now(const uv_loop_t *uv)
{
    (void)uv;
    return clock_ms;
}

int uv_is_active(const uv_handle_t *timer)
{
    (void)timer;
    return alarm_ms != UINT64_MAX;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout_ms, uint64_t repeat_ms)
{
    (void)timer, (void)callback;
    CHECK(repeat_ms == 0);
    alarm_ms = clock_ms + timeout_ms;
    return 0;
}

void stream_flush_gathered(struct loop *unused)
{
    (void)unused;
}

_Noreturn void check_failed(const char *promise, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, promise);
    abort();
}

static void on_passed(struct deadline *d)
{
    on_fired((int)(d - deadlines));
}

void play_begin(uint64_t now_ms, void (*fired)(int))
{
    clock_ms = now_ms;
    alarm_ms = UINT64_MAX;
    on_fired = fired;
    wheel_init(&loop);
    for (int i = 0; i < DEADLINES; i++)
        deadline_init(&deadlines[i], on_passed);
}

/* When the loop wakes by itself; UINT64_MAX: never. */
uint64_t play_alarm(void)
{
    return alarm_ms;
}

/* The loop wakes at that time, by itself or of something else. */
void play_wake(uint64_t now_ms)
{
    clock_ms = now_ms;
    if (alarm_ms <= now_ms)
        alarm_ms = UINT64_MAX;
}

void play_turn(void)
{
    wheel_turn(&loop);
}

void play_wait(void)
{
    wheel_arm(&loop);
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
