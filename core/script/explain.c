/*
 * What went wrong in a script's call, for people: the message, the line, and how it got there.
 */
#include "script/script.h"

#include "base/decimal.h"
#include "lua/instead.h"
#include "lua/place.h"
#include "lua/sandbox.h"
#include "script/script_inside.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

enum { TRACEBACK_BYTES_MAX = 4096, MESSAGE_BYTES_MAX = 4096 }; /* errors may be of any length */

/* The innermost line that the dead coroutine still knows; LuaJIT forgets that of
 * the frame that raised the error. */
static unsigned line_of_caller(const struct script *script, const char **file)
{
    lua_State *thread = script->broken != NULL ? script->broken->thread : NULL;
    lua_Debug frame;

    if (thread == NULL || !sandbox_find_line(thread, &frame))
        return 0;
    *file = frame.source + 1;
    return (unsigned)frame.currentline;
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

static const char *explanation(struct script *script, enum breach breach, char *room,
                               size_t room_bytes)
{
    const struct config_script *limits = &script->config->script_limits;

    *room = '\0';
    if (breach == BREACH_RAISED)
        return without_our_line(script_error_text(script->broken->thread, room, room_bytes));
    if (breach == BREACH_YIELDED)
        return "yielded in no coroutine of its own, where nobody resumes it";
    if (breach == BREACH_TIMED_OUT && script->was_too_long)
        snprintf(room, room_bytes, "awaited longer than the %g s of script.await",
                 (double)limits->await_ms / 1000);
    else if (breach == BREACH_TIMED_OUT)
        snprintf(room, room_bytes, "used more than its %" PRIu64 " ms of CPU time", script->cpu_ms);
    else if (breach == BREACH_NO_MEMORY && script->was_refused)
        snprintf(room, room_bytes,
                 "script.memory is short, and of all calls that await it held most: %" PRIu64
                 " bytes",
                 script->broken->held_bytes);
    else if (breach == BREACH_NO_MEMORY)
        snprintf(room, room_bytes, "needs more than the %" PRIu64 " bytes of script.memory",
                 limits->memory);
    return room;
}

void script_explain(struct script *script, enum hook hook, enum breach breach,
                    struct buffer *message, unsigned *line)
{
    char room[128];
    const char *words, *more, *file;
    struct slice text;

    sandbox_limit_memory(script->lua, 0);
    words = explanation(script, breach, room, sizeof room);
    text = (struct slice){words, strnlen(words, MESSAGE_BYTES_MAX)};
    more = instead_of(text);
    file = place_find(&text, script->config->script_path, &script->config->modules);
    if (file != NULL) {
        *line = place_line(text);
        buffer_append_text(message, file);
    } else {
        file = script->config->script_path;
        *line = script->was_stopped ? budget_line(script->budget, &file)
                                    : line_of_caller(script, &file);
        if (*line == 0) {
            *line = script->hook_lines[hook];
            file = script->hook_files[hook] != NULL ? script->hook_files[hook] : file;
        }
        buffer_printf(message, "%s:%u: ", file, *line);
    }
    buffer_append(message, text);
    if (more != NULL)
        buffer_printf(message, ": %s", more);
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
