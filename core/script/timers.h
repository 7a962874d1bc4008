/*
 * timers - lb.after and lb.every: functions of a script that run by the clock.
 *
 * The functions are in core/lua/await.lua, by number; here is when. A timer's run is a call like
 * that of a hook: it may await, and has the same bounds. If a run is still under way when the next
 * is due, the next is skipped.
 *
 * A task is a timer that runs again when its run is over, after 1, 2, 4 .. 60 s, and after 1 s if
 * the run has lasted for a minute. It may await for ever: script.await is not for it.
 */
#ifndef SCRIPT_TIMERS_H
#define SCRIPT_TIMERS_H

#include "net/deadline.h"
#include "script/script.h"

#include <lua.h>

enum { TIMERS_MAX = 1000, TIMER_NAME_BYTES = 64 }; /* of one script at a time */

struct timers;

struct timer {
    struct timers *timers;
    uint32_t number;
    uint64_t period_ms; /* 0: it runs once */
    bool is_cancelled, is_running;
    char task[TIMER_NAME_BYTES + 1];       /* its name; empty: it is none */
    uint64_t task_began_ms, task_waits_ms; /* by the loop's clock; before the last run */
    struct deadline due;
    struct script_run run;
    struct list_node node;
};

struct timers {
    struct loop *loop;   /* NULL: none is ever started */
    bool runs_once_only; /* those with once = true, instead of the others */
    bool is_retired;
    uint32_t last_number, count;
    struct list_node list;
    /* Runs its function: BREACH_PENDING, or timer_over has been called. */
    void (*run)(struct timers *, struct timer *);
};

/* Before the script is loaded. */
void timers_init(struct timers *, struct loop *, void (*run)(struct timers *, struct timer *));
void timers_offer(struct timers *, lua_State *); /* within a protected call */
void timer_over(struct timer *);                 /* its run is over; it may be freed in here */
/* No run begins any more, and no timer; a run that awaits continues. */
void timers_retire(struct timers *);
void timers_dispose(struct timers *); /* before the script is closed */

#endif
