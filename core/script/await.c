#include "script/await.h"

#include "base/check.h"
#include "lua/sandbox.h"

#include <lauxlib.h>

void await_offer_to(lua_State *lua, const char *name, lua_CFunction function, void *owner)
{
    sandbox_push_of_prelude(lua, "host");
    lua_pushlightuserdata(lua, owner);
    lua_pushcclosure(lua, function, 1);
    lua_setfield(lua, -2, name);
    lua_pop(lua, 1);
}

void await_offer(lua_State *lua, const char *name, lua_CFunction function)
{
    await_offer_to(lua, name, function, NULL);
}

/* --- in a function that a script has called --- */

static struct coroutine *running(lua_State *lua)
{
    return coroutines_of(lua)->running;
}

/* What the call needs only now that it awaits. */
static void prepare(struct coroutine *co)
{
    if (co->has_awaited)
        return;
    co->has_awaited = true;
    deadline_set(co->all->loop, &co->deadline, co->all->await_ms);
}

void await_check(lua_State *lua, const char *what)
{
    struct coroutines *all = coroutines_of(lua);
    struct coroutine *co = all->running;

    if (co == NULL || all->loop == NULL)
        luaL_error(
            lua,
            "%s may be called in hooks only, and in lb.after(0, f), not in init or while the "
            "script is loaded",
            what);
    else if (all->may_not_await)
        luaL_error(lua,
                   "%s may not be called in ctx:finally, whose request is over; lb.after(0, f) may "
                   "await",
                   what);
    else if (co->thread != lua)
        luaL_error(lua, "%s may not be called in a coroutine of the script's own", what);
    else if (!lua_isyieldable(lua))
        luaL_error(lua, "%s may not be called inside a callback of table.sort and the like", what);
    else
        prepare(co);
}

int await_begin(lua_State *lua, struct await *await)
{
    struct coroutine *co = running(lua);

    CHECK(co != NULL && co->thread == lua && co->awaits == NULL && co->has_awaited);
    await->coroutine = co;
    co->awaits = await;
    return lua_yield(lua, 0);
}

struct loop *await_loop(lua_State *lua)
{
    return coroutines_of(lua)->loop;
}

void await_own(lua_State *lua, struct await_owned *owned)
{
    list_append(&coroutines_of(lua)->owned, &owned->node);
}

/* --- from the loop --- */

lua_State *await_stack(struct await *await)
{
    sandbox_limit_memory(await->coroutine->all->lua, 0);
    coroutines_begin(await->coroutine->all);
    return await->coroutine->thread;
}

void await_end(struct await *await, int results)
{
    struct coroutine *co = await->coroutine;

    CHECK(co != NULL && co->awaits == await && co->all->running == NULL);
    co->awaits = NULL;
    await->coroutine = NULL;
    coroutine_charge(co);
    sandbox_limit_memory(co->all->lua, co->all->memory_bytes);
    co->all->go_on(co, results);
}
