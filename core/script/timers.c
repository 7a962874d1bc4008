#include "script/timers.h"

#include "base/log.h"
#include "base/mem.h"
#include "script/await.h"
#include "script/share.h"

#include <lauxlib.h>
#include <stdio.h>

enum { TASK_WAITS_MS = 1000, TASK_WAITS_MAX_MS = 60000 };

static bool timer_is_task(const struct timer *t)
{
    return t->task[0] != '\0';
}

static void timer_free(struct timer *t)
{
    deadline_clear(&t->due);
    script_cancel(&t->run);
    list_remove(&t->node);
    t->timers->count--;
    mem_free(t);
}

/* A run is under way: in a script's call of cancel, perhaps this timer's own. */
static bool timer_is_at_work(const struct timer *t)
{
    return t->is_running || script_awaits(&t->run);
}

static void timer_cancel(struct timer *t)
{
    t->is_cancelled = true;
    deadline_clear(&t->due);
    if (!timer_is_at_work(t))
        timer_free(t);
}

static void on_due(struct deadline *d)
{
    struct timer *t = list_entry(d, struct timer, due);
    struct loop *loop = t->timers->loop;
    bool is_task;

    if (!share_begin(loop, d))
        return;
    if (t->period_ms > 0)
        deadline_set(loop, d, t->period_ms);
    if (timer_is_at_work(t))
        return;
    is_task = timer_is_task(t);
    t->is_running = true;
    t->task_began_ms = loop_now_ms(loop);
    t->timers->run(t->timers, t);
    if (is_task) /* which is there still; others may be freed */
        script_let_last(&t->run);
    share_end(loop);
}

static void task_run_again(struct timer *t)
{
    struct loop *loop = t->timers->loop;
    bool has_lasted = loop_now_ms(loop) - t->task_began_ms >= TASK_WAITS_MAX_MS;

    if (has_lasted || t->task_waits_ms == 0)
        t->task_waits_ms = TASK_WAITS_MS;
    else if (2 * t->task_waits_ms <= TASK_WAITS_MAX_MS)
        t->task_waits_ms *= 2;
    else
        t->task_waits_ms = TASK_WAITS_MAX_MS;
    log_event(LOG_INFO, "task_over", LOG_PAIRS({"task", t->task}),
              "the task is over and is called again in %u s", (unsigned)(t->task_waits_ms / 1000));
    deadline_set(loop, &t->due, t->task_waits_ms);
}

void timer_over(struct timer *t)
{
    t->is_running = false;
    if (timer_is_task(t) && !t->is_cancelled)
        task_run_again(t);
    else if (t->period_ms == 0 || t->is_cancelled)
        timer_free(t);
}

/* --- for core/lua/await.lua --- */

static struct timer *timer_find(struct timers *all, double number)
{
    for (struct list_node *node = all->list.next; node != &all->list; node = node->next) {
        struct timer *t = list_entry(node, struct timer, node);

        if (t->number == number)
            return t;
    }
    return NULL;
}

/* host.timer_start(seconds, is_every, is_once, task): its number; nil: it never runs here; false:
 * there are too many. */
static int timer_start(lua_State *lua)
{
    struct timers *all = lua_touserdata(lua, lua_upvalueindex(1));
    uint64_t delay_ms = (uint64_t)(lua_tonumber(lua, 1) * 1000 + 0.5);
    const char *task = lua_tostring(lua, 4);
    struct timer *t;

    if (all->is_retired || (bool)lua_toboolean(lua, 3) != all->runs_once_only)
        return 0;
    lua_pushboolean(lua, false);
    if (all->count >= TIMERS_MAX)
        return 1;
    lua_pushnumber(lua, ++all->last_number);
    t = mem_zalloc(sizeof *t);
    t->timers = all;
    t->number = all->last_number;
    t->period_ms = lua_toboolean(lua, 2) ? delay_ms : 0;
    if (task != NULL)
        snprintf(t->task, sizeof t->task, "%s", task);
    deadline_init(&t->due, on_due);
    deadline_set(all->loop, &t->due, delay_ms);
    list_append(&all->list, &t->node);
    all->count++;
    return 1;
}

/* host.timer_cancel(number) */
static int timer_stop(lua_State *lua)
{
    struct timer *t = timer_find(lua_touserdata(lua, lua_upvalueindex(1)), lua_tonumber(lua, 1));

    if (t != NULL)
        timer_cancel(t);
    return 0;
}

/* --- for policy.c --- */

void timers_init(struct timers *all, struct loop *loop,
                 void (*run)(struct timers *, struct timer *))
{
    *all = (struct timers){.loop = loop, .run = run};
    list_init(&all->list);
}

void timers_offer(struct timers *all, lua_State *lua)
{
    if (all->loop == NULL)
        return;
    await_offer_to(lua, "timer_start", timer_start, all);
    await_offer_to(lua, "timer_cancel", timer_stop, all);
}

void timers_retire(struct timers *all)
{
    struct list_node *node = all->list.next;

    all->is_retired = true;
    while (node != &all->list) {
        struct timer *t = list_entry(node, struct timer, node);

        node = node->next;
        timer_cancel(t);
    }
}

void timers_dispose(struct timers *all)
{
    while (!list_is_empty(&all->list))
        timer_free(list_entry(all->list.next, struct timer, node));
}
