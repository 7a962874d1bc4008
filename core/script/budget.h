/*
 * budget - stops a call that runs too long or takes too much memory, compiled or not.
 *
 * What counts is the CPU time of the thread that runs Lua, not the time by the clock, so a busy
 * host does not cut good scripts; and the bound on the sandbox's memory. A call that is stopped
 * ends with the error value sandbox_stopped(). A call that cannot be stopped (inside a C function
 * that does not return) ends the process after BUDGET_STUCK_MS more, so that the supervisor starts
 * another.
 * A call's time counts from when it is noticed: at the latest after a quarter of its budget and a
 * tick of the kernel's clock (4 ms in Debian).
 *
 * Uses LuaJIT's profiler, which is one per process: a new budget takes it from the one before,
 * whose state is interpreted from then on and stays as interruptible. All budgets of a process
 * belong to one thread. Takes SIGUSR2, which does nothing while no call is overdue, and SIGPROF.
 */
#ifndef SCRIPT_BUDGET_H
#define SCRIPT_BUDGET_H

#include "base/check.h"

#include <lua.h>
#include <stdint.h>

enum { BUDGET_STUCK_MS = 2000, BUDGET_STUCK_STATUS = 70, BUDGET_WAIT_US = 50000 };

enum budget_stop { BUDGET_KEPT, BUDGET_TIME, BUDGET_MEMORY };

struct budget;

/* For the state, which must not have compiled anything yet (open, load nothing, then this), and for
 * calls from the calling thread. cpu_ms 0: any time. NULL if the system gives no thread. */
struct budget *budget_new(lua_State *, uint64_t cpu_ms) MUST_USE;
void budget_free(struct budget *); /* before the state is closed; NULL is fine */
/* For calls from now on; not to more than 0 if it was made with 0. */
void budget_set(struct budget *, uint64_t cpu_ms);

/* lua_resume within the budget. *stop: whether the call was stopped, and why; it may have ended
 * well in spite of that, late. */
int budget_resume(struct budget *, lua_State *coroutine, int arguments, enum budget_stop *stop);
/* How long the last call held its thread up, from when the watchdog noticed it: its CPU time and,
 * on a busy machine, up to BUDGET_WAIT_US of the time for which the system ran others meanwhile.
 * 0: the call was over before. */
uint32_t budget_used_us(void);
/* The line at which the last call that was stopped was, and its file; 0: not known. */
unsigned budget_line(const struct budget *, const char **file);

#endif
