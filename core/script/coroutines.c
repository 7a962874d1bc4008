#include "script/coroutines.h"

#include "base/mem.h"
#include "lua/sandbox.h"

#include <lauxlib.h>
#include <string.h>

void coroutines_init(struct coroutines *all, lua_State *lua, const int *hooks, int hooks_count)
{
    all->lua = lua;
    all->heap = sandbox_heap(lua);
    all->hooks = hooks;
    all->hooks_count = hooks_count;
    *sandbox_note(lua, SANDBOX_COROUTINES) = all;
}

struct coroutines *coroutines_of(lua_State *lua)
{
    return (struct coroutines *)(uintptr_t)*sandbox_note(lua, SANDBOX_COROUTINES);
}

static void on_deadline(struct deadline *d)
{
    struct coroutine *co = list_entry(d, struct coroutine, deadline);

    co->all->end_waiting(co, BREACH_TIMED_OUT);
}

/* Not within a protected call: the memory must be unbounded meanwhile. */
struct coroutine *coroutines_make(struct coroutines *all)
{
    struct coroutine *co = mem_zalloc(sizeof *co + all->facts.bytes);

    sandbox_limit_memory(all->lua, 0);
    co->all = all;
    all->count++;
    co->thread = lua_newthread(all->lua);
    co->held = luaL_ref(all->lua, LUA_REGISTRYINDEX);
    for (int hook = 0; hook < all->hooks_count; hook++)
        lua_rawgeti(co->thread, LUA_REGISTRYINDEX, all->hooks[hook]);
    sandbox_limit_memory(all->lua, all->memory_bytes);
    list_init(&co->node);
    deadline_init(&co->deadline, on_deadline);
    return co;
}

void coroutines_begin(struct coroutines *all)
{
    all->begun_bytes = all->heap->used_bytes;
}

void coroutine_charge(struct coroutine *co)
{
    uint64_t used = co->all->heap->used_bytes, begun = co->all->begun_bytes;

    if (used <= begun)
        return;
    co->held_bytes += used - begun;
    if (co->is_waiting)
        co->all->held_bytes += used - begun;
}

static void set_waiting(struct coroutine *co, bool is_waiting)
{
    if (is_waiting == co->is_waiting)
        return;
    co->is_waiting = is_waiting;
    if (is_waiting)
        co->all->held_bytes += co->held_bytes;
    else
        co->all->held_bytes -= co->held_bytes;
}

void coroutine_clean(struct coroutine *co)
{
    struct await *awaits = co->awaits;

    set_waiting(co, false);
    deadline_clear(&co->deadline);
    list_remove(&co->node);
    co->has_awaited = false;
    co->run = NULL;
    if (awaits != NULL) {
        co->awaits = NULL;
        awaits->coroutine = NULL;
        awaits->cancel(awaits);
    }
}

void coroutines_let_go(struct coroutine *co)
{
    luaL_unref(co->all->lua, LUA_REGISTRYINDEX, co->held);
    co->all->count--;
    mem_free(co);
}

void coroutines_drop(struct coroutine *co)
{
    coroutine_clean(co);
    coroutines_let_go(co);
}

void coroutine_wait(struct coroutine *co)
{
    struct coroutines *all = co->all;

    memcpy(co->facts, all->facts.now, all->facts.bytes);
    memset(all->facts.now, 0, all->facts.bytes);
    co->nested = sandbox_nested;
    sandbox_nested = 0;
    coroutine_charge(co);
    set_waiting(co, true);
    list_append(&all->waiting, &co->node);
}

void coroutine_wake(struct coroutine *co)
{
    memcpy(co->all->facts.now, co->facts, co->all->facts.bytes);
    sandbox_nested = co->nested;
    set_waiting(co, false);
    list_remove(&co->node);
}

void coroutines_dispose(struct coroutines *all)
{
    while (!list_is_empty(&all->waiting))
        coroutines_drop(list_entry(all->waiting.next, struct coroutine, node));
    while (all->idle != NULL) {
        struct coroutine *co = all->idle;

        all->idle = co->next;
        coroutines_let_go(co);
    }
    while (!list_is_empty(&all->owned)) {
        struct await_owned *owned = list_entry(all->owned.next, struct await_owned, node);

        list_remove(&owned->node);
        owned->close(owned);
    }
}
