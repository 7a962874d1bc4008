#include "lua/files.h"

#include "base/file.h"
#include "lua/sandbox.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

static bool may_read(lua_State *lua)
{
    return *sandbox_note(lua, SANDBOX_MODULES) != NULL ||
           *sandbox_note(lua, SANDBOX_MONITOR) != NULL;
}

static int push_refusal(lua_State *lua, const char *path, const char *why)
{
    lua_pushnil(lua);
    lua_pushfstring(lua, "%s: %s", path, why);
    return 2;
}

static const char *explain(int error)
{
    return error == ENOTSUP ? "it is no regular file"
           : error == EFBIG ? "it has more than 1 MiB"
                            : strerror(error);
}

/* The text is copied under the script's bound on memory, so the buffer's end does not depend on
 * that: it is a userdata until then. */
static int push_text(lua_State *lua)
{
    struct slice text = buffer_slice(lua_touserdata(lua, 1));

    lua_pushlstring(lua, text.start, text.length);
    return 1;
}

int files_read(lua_State *lua)
{
    struct slice path;
    struct buffer text = {0};
    const char *wrong;
    int error;

    path.start = luaL_checklstring(lua, 1, &path.length);
    if (!may_read(lua))
        return luaL_error(lua, "lb.file may be called while the script is loaded, in lb.task and "
                               "in timers with once = true");
    wrong = file_objection_to(path);
    if (wrong != NULL)
        return push_refusal(lua, path.start, wrong);
    lua_pushcfunction(lua, push_text); /* before there is a buffer: memory may be full */
    lua_pushlightuserdata(lua, &text);
    error = file_read(path.start, FILES_BYTES_MAX, &text);
    if (error != 0) {
        buffer_dispose(&text);
        return push_refusal(lua, path.start, explain(error));
    }
    error = lua_pcall(lua, 1, 1, 0);
    buffer_dispose(&text);
    return error == 0 ? 1 : lua_error(lua);
}
