/*
 * clock - two times that cost no system call, and the CPU time, which costs one.
 *
 * The steady clock (CLOCK_MONOTONIC) never jumps and is the same in all
 * processes, so its values may go through shared memory. The wall clock is
 * for people.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static inline uint64_t clock_steady_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

static inline uint64_t clock_steady_ms(void)
{
    return clock_steady_us() / 1000u;
}

/* The CPU time of this thread; a system call. */
static inline uint64_t clock_thread_us(void)
{
    return clock_read_us(CLOCK_THREAD_CPUTIME_ID);
}

static inline uint64_t clock_wall_us(void)
{
    return clock_read_us(CLOCK_REALTIME);
}

/* To the second, for what says no more: up to 10 ms late, for a quarter of the price. */
static inline time_t clock_wall_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now.tv_sec;
}

/* The wall clock when the steady clock, which somebody has just looked at, said so. */
uint64_t clock_wall_at(uint64_t steady_us);

#endif
