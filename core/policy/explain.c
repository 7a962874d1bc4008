/*
 * What went wrong in a script's call, for people: the message, the line, and how it got there.
 */
#include "policy/script_state.h"

#include "base/decimal.h"
#include "lua/sandbox.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACEBACK_BYTES_MAX = 4096, MESSAGE_BYTES_MAX = 4096 }; /* errors may be of any length */

/* The number behind "balancer.lua:" at the start of a message; 0 if there is none. */
static unsigned line_behind(const char *path, const char *message)
{
    size_t length = strlen(path);

    if (strncmp(message, path, length) != 0 || message[length] != ':')
        return 0;
    return (unsigned)strtoul(message + length + 1, NULL, 10);
}

/* The same of the script or any of its modules. */
static unsigned line_in(const struct script *script, const char *message)
{
    const struct bundle *modules = &script->config->modules;
    unsigned line = line_behind(script->config->script_path, message);

    for (unsigned i = 0; line == 0 && i < modules->count; i++)
        line = line_behind(modules->modules[i].path, message);
    return line;
}

/* The innermost line that the dead coroutine still knows; LuaJIT forgets that of
 * the frame that raised the error. */
static unsigned line_of_caller(const struct script *script, const char **file)
{
    lua_State *thread = script->broken != NULL ? script->broken->thread : NULL;
    lua_Debug frame;

    for (int level = 0; thread != NULL && lua_getstack(thread, level, &frame); level++) {
        lua_getinfo(thread, "Sl", &frame);
        if (frame.source[0] == '@' && frame.currentline > 0) {
            *file = frame.source + 1;
            return (unsigned)frame.currentline;
        }
    }
    return 0;
}

/* A message that begins with a line of ours, because the script's frame was gone
 * ("return ctx:respond ..." is a tail call): the part behind it. */
static const char *without_our_line(const char *message)
{
    const char *behind;

    if (strncmp(message, "lb ", 3) != 0)
        return message;
    behind = strstr(message, ": ");
    return behind != NULL ? behind + 2 : message;
}

const char *script_error_text(lua_State *lua, char *room, size_t room_bytes)
{
    char digits[DECIMAL_OF_DOUBLE_BYTES];

    if (lua_type(lua, -1) == LUA_TSTRING)
        return lua_tostring(lua, -1);
    if (lua_type(lua, -1) == LUA_TNUMBER)
        snprintf(room, room_bytes, "%.*s", (int)decimal_of_double(lua_tonumber(lua, -1), digits),
                 digits);
    else
        snprintf(room, room_bytes, "an error that is a %s", luaL_typename(lua, -1));
    return room;
}

static const char *explanation(struct script *script, enum script_breach breach, char *room,
                               size_t room_bytes)
{
    const struct config_script *limits = &script->config->script_limits;

    switch (breach) {
    case SCRIPT_RAISED:
        return script_error_text(script->broken->thread, room, room_bytes);
    case SCRIPT_TIMED_OUT:
        if (script->was_too_long) {
            snprintf(room, room_bytes, "awaited longer than the %g s of script.await",
                     (double)limits->await_ms / 1000);
            return room;
        }
        snprintf(room, room_bytes, "used more than its %llu ms of CPU time",
                 (unsigned long long)script->cpu_ms);
        return room;
    case SCRIPT_NO_MEMORY:
        if (script->was_refused) {
            snprintf(room, room_bytes,
                     "script.memory is short, and of all calls that await it held most: %llu bytes",
                     (unsigned long long)script->broken->held_bytes);
            return room;
        }
        snprintf(room, room_bytes, "needs more than the %llu bytes of script.memory",
                 (unsigned long long)limits->memory);
        return room;
    case SCRIPT_YIELDED:
        return "yielded in no coroutine of its own, where nobody resumes it";
    default:
        return "";
    }
}

void script_explain(struct script *script, enum script_hook hook, enum script_breach breach,
                    struct buffer *message, unsigned *line)
{
    char room[128];
    const char *text, *file = script->config->script_path;

    sandbox_limit_memory(script->lua, 0);
    text = without_our_line(explanation(script, breach, room, sizeof room));
    *line = line_in(script, text);
    if (*line == 0) {
        *line = script->was_stopped ? budget_line(script->budget, &file)
                                    : line_of_caller(script, &file);
        if (*line == 0) {
            *line = script->hook_lines[hook];
            file = script->hook_files[hook] != NULL ? script->hook_files[hook] : file;
        }
        buffer_printf(message, "%s:%u: ", file, *line);
    }
    buffer_append(message, (struct slice){text, strnlen(text, MESSAGE_BYTES_MAX)});
    sandbox_limit_memory(script->lua, script->config->script_limits.memory);
}

void script_trace(struct script *script, struct buffer *traceback)
{
    size_t length;
    const char *text;

    if (script->broken == NULL) /* the answer is wrong, the coroutine is not */
        return;
    sandbox_limit_memory(script->lua, 0);
    luaL_traceback(script->lua, script->broken->thread, NULL, 0);
    text = lua_tolstring(script->lua, -1, &length);
    buffer_append(
        traceback,
        (struct slice){text, length < TRACEBACK_BYTES_MAX ? length : TRACEBACK_BYTES_MAX});
    lua_pop(script->lua, 1);
    sandbox_limit_memory(script->lua, script->config->script_limits.memory);
}
