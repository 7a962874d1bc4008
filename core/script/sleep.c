/*
 * lb.sleep(seconds), the shortest function that awaits.
 */
#include "base/mem.h"
#include "net/deadline.h"
#include "script/await.h"
#include "script/share.h"

#include <lauxlib.h>

static const double SECONDS_MAX = 86400;

struct sleep {
    struct await await;
    struct loop *loop;
    struct deadline end;
};

static void on_end(struct deadline *d)
{
    struct sleep *s = list_entry(d, struct sleep, end);
    struct loop *loop = s->loop;

    if (!share_begin(loop, d))
        return;
    await_end(&s->await, 0);
    mem_free(s);
    share_end(loop);
}

static void sleep_cancel(struct await *await)
{
    struct sleep *s = list_entry(await, struct sleep, await);

    deadline_clear(&s->end);
    mem_free(s);
}

static int sleep_call(lua_State *lua)
{
    double seconds = lua_tonumber(lua, 1);
    struct sleep *s;

    await_check(lua, "lb.sleep");
    if (lua_type(lua, 1) != LUA_TNUMBER || !(seconds >= 0 && seconds <= SECONDS_MAX))
        return luaL_error(lua, "lb.sleep(s) needs a number of seconds from 0 to 86400");
    s = mem_zalloc(sizeof *s);
    s->await.cancel = sleep_cancel;
    s->await.is_wish = true;
    s->loop = await_loop(lua);
    deadline_init(&s->end, on_end);
    deadline_set(s->loop, &s->end, (uint64_t)(seconds * 1000 + 0.5));
    return await_begin(lua, &s->await);
}

void sleep_offer(lua_State *lua)
{
    await_offer(lua, "sleep", sleep_call);
}
