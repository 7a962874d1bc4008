/*
 * probe - gives a script inside lb, started with LD_PRELOAD, what no script has: the metatables
 * that lb has locked, and what their functions hold. So a spec can list the names that scripts may
 * use, as they are in lb itself.
 *
 *   raw_metatable(value)      its metatable, or nil
 *   held_by(fn)               a list of the values that a function of Lua holds (its upvalues)
 */
#include <dlfcn.h>
#include <lua.h>

static int raw_metatable(lua_State *lua)
{
    if (!lua_getmetatable(lua, 1))
        lua_pushnil(lua);
    return 1;
}

static int held_by(lua_State *lua)
{
    lua_newtable(lua);
    for (int i = 1; lua_getupvalue(lua, 1, i) != NULL; i++) {
        if (lua_isnil(lua, -1)) {
            lua_pop(lua, 1);
            lua_pushboolean(lua, 0);
        }
        lua_rawseti(lua, -2, i);
    }
    return 1;
}

/* core/lua/sandbox.c gives a script that was compiled its environment with this. */
int lua_setfenv(lua_State *lua, int index)
{
    union {
        void *address;
        int (*function)(lua_State *, int);
    } real = {dlsym(RTLD_NEXT, "lua_setfenv")};

    lua_pushliteral(lua, "raw_metatable");
    lua_pushcfunction(lua, raw_metatable);
    lua_rawset(lua, -3);
    lua_pushliteral(lua, "held_by");
    lua_pushcfunction(lua, held_by);
    lua_rawset(lua, -3);
    return real.function(lua, index);
}
