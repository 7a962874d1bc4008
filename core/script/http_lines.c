/*
 * lb.http.lines: an answer whose lines are taken as they come, such as a watch that lasts long.
 *
 *   called: dialling, asking --head--> resting --call, no whole line--> reading
 *               |                        ^                                |  |
 *               |                        `------------ a line ------------'  |
 *               `--------------------------> over <--------------------------'
 *
 * The answer is a full userdata, which a for loop calls for each line. What came before it ended is
 * still given; then the loop ends, and why says so if the answer was not whole. It is closed by the
 * script, by the collector, with the script, and when the call that awaits on it is thrown away.
 * While a call awaits the registry holds it, as script/tcp_client.c has it.
 */
#include "lua/sandbox.h"
#include "script/await.h"
#include "script/http_client.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

struct lines {
    struct fetch fetch;
    struct await await;
    struct await_owned owned; /* by the script */
    lua_State *lua;           /* the script's own, no coroutine's */
    int held;                 /* reference, while a call awaits */
    uint64_t silence_ms;
    size_t line_max;
    size_t looked;   /* of fetch.body: there is no line end in these */
    bool has_opened; /* the call that asked has its answer */
    bool is_over;    /* nothing more comes */
    bool is_closed;
    char why[DIAL_WHY_BYTES]; /* empty: there is no fault */
};

static const char metatable[] = "lb lines"; /* in the registry */

/* --- endings --- */

/* In any state. kind and why: what is wrong with that; NULL: nothing. */
static void lines_close(struct lines *l, const char *kind, const char *why)
{
    if (l->is_closed)
        return;
    if (kind != NULL)
        dial_say_why(l->why, kind, "%s", why);
    l->is_over = l->is_closed = true;
    fetch_dispose(&l->fetch);
}

static void lines_let_go(struct lines *l)
{
    luaL_unref(l->lua, LUA_REGISTRYINDEX, l->held);
    l->held = LUA_NOREF;
}

static void lines_cancel(struct await *await)
{
    struct lines *l = list_entry(await, struct lines, await);

    lines_close(l, "closed", "the call that used it has ended");
    lines_let_go(l);
}

static void on_script_closed(struct await_owned *owned)
{
    lines_close(list_entry(owned, struct lines, owned), NULL, NULL);
}

static int lines_collect(lua_State *lua)
{
    struct lines *l = lua_touserdata(lua, 1);

    list_remove(&l->owned.node);
    lines_close(l, NULL, NULL);
    return 0;
}

/* --- lines --- */

/* How many bytes of the body are the next line, with its end; 0: it is not whole yet. */
static size_t lines_look(struct lines *l)
{
    struct slice body = buffer_slice(&l->fetch.body);
    const char *end = NULL;

    if (body.length > l->looked)
        end = memchr(body.start + l->looked, '\n', body.length - l->looked);
    l->looked = body.length;
    if (end != NULL)
        return (size_t)(end - body.start) + 1;
    return l->is_over ? body.length : 0; /* the last one may have no end */
}

static struct slice lines_first(const struct lines *l, size_t bytes)
{
    struct slice line = {buffer_slice(&l->fetch.body).start, bytes};

    if (line.length > 0 && line.start[line.length - 1] == '\n')
        line.length--;
    if (line.length > 0 && line.start[line.length - 1] == '\r')
        line.length--;
    return line;
}

/* Is there an answer for who asks? Then *bytes is as of lines_look; 0: there are no more lines. */
static bool lines_find(struct lines *l, size_t *bytes)
{
    size_t seen;

    *bytes = l->is_closed ? 0 : lines_look(l);
    seen = *bytes > 0 || l->is_closed ? *bytes : buffer_length(&l->fetch.body);
    if (lines_first(l, seen).length > l->line_max) { /* its rest is no line */
        dial_say_why(l->why, "limit", "a line longer than %zu bytes", l->line_max);
        lines_close(l, NULL, NULL);
        *bytes = 0;
    }
    return *bytes > 0 || l->is_over;
}

/* One value: a line, or nil after the last one. */
static void push_line(lua_State *lua, struct lines *l, size_t bytes)
{
    struct slice line = lines_first(l, bytes);

    if (bytes == 0) {
        lines_close(l, NULL, NULL);
        lua_pushnil(lua);
        return;
    }
    lua_pushlstring(lua, line.start, line.length);
    buffer_consume(&l->fetch.body, bytes);
    l->looked = 0;
    if (buffer_length(&l->fetch.body) == 0)
        held_dispose(&l->fetch.body); /* one that waits owns no buffer */
}

/* --- what comes --- */

/* The members status and headers, in its environment. The lines are on top. */
static void set_head(lua_State *lua, const struct head *head)
{
    lua_getfenv(lua, -1);
    lua_pushinteger(lua, (lua_Integer)head->status);
    lua_setfield(lua, -2, "status");
    http_push_headers(lua, head);
    lua_setfield(lua, -2, "headers");
    lua_pop(lua, 1);
}

/* The call of lb.http.lines has its answer. */
static void lines_open(struct lines *l)
{
    lua_State *lua = await_stack(&l->await);

    l->has_opened = true;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, l->held);
    if (l->fetch.has_head)
        set_head(lua, &l->fetch.response.parse.head);
    lines_let_go(l);
    await_end(&l->await, 1);
}

/* The last statement of an event. */
static void lines_continue(struct lines *l)
{
    lua_State *lua;
    size_t bytes;

    if (!l->has_opened) {
        lines_open(l);
        return;
    }
    if (!lines_find(l, &bytes)) {
        fetch_read_on(&l->fetch, l->silence_ms);
        return;
    }
    lua = await_stack(&l->await);
    push_line(lua, l, bytes);
    lines_let_go(l);
    await_end(&l->await, 1);
}

static void on_part(struct fetch *f)
{
    struct lines *l = list_entry(f, struct lines, fetch);

    if (await_is_begun(&l->await))
        lines_continue(l);
    else /* nothing is read but for a call */
        lines_close(l, "limit", "not enough memory");
}

/* Also while none awaits: what has come before is still there. */
static void on_over(struct fetch *f)
{
    struct lines *l = list_entry(f, struct lines, fetch);

    l->is_over = true;
    if (!f->has_answer)
        memcpy(l->why, f->why, sizeof l->why);
    if (await_is_begun(&l->await))
        lines_continue(l);
}

/* --- what scripts call --- */

/* It is at that index. */
static int lines_await(lua_State *lua, struct lines *l, int index)
{
    lua_pushvalue(lua, index);
    l->held = luaL_ref(lua, LUA_REGISTRYINDEX);
    return await_begin(lua, &l->await);
}

static struct lines *lines_new(lua_State *lua)
{
    struct lines *l = lua_newuserdata(lua, sizeof *l);

    *l = (struct lines){.lua = coroutines_of(lua)->lua, .held = LUA_NOREF, .is_closed = true};
    l->await.cancel = lines_cancel;
    l->owned.close = on_script_closed;
    list_init(&l->owned.node);
    luaL_setmetatable(lua, metatable);
    lua_newtable(lua);
    lua_setfenv(lua, -2);
    await_own(lua, &l->owned);
    fetch_init(&l->fetch, await_loop(lua));
    l->fetch.on_over = on_over;
    l->fetch.on_part = on_part;
    l->is_closed = false;
    return l;
}

static uint64_t ms_at(lua_State *lua, int index)
{
    return (uint64_t)(luaL_checknumber(lua, index) * 1000 + 0.5);
}

/* Gives the lines, always: why says what has failed. */
static int http_lines(lua_State *lua)
{
    uint64_t timeout_ms = ms_at(lua, HTTP_TIMEOUT), silence_ms = ms_at(lua, HTTP_SILENCE);
    size_t line_max = (size_t)luaL_checknumber(lua, HTTP_BYTES);
    char text[HTTP_WRONG_BYTES];
    const char *wrong;
    struct lines *l;
    int which;

    await_check(lua, "lb.http.lines");
    tcp_client_make_room(lua);
    l = lines_new(lua);
    l->silence_ms = silence_ms;
    l->line_max = line_max;
    wrong = http_fill(lua, &l->fetch, &which);
    if (wrong != NULL) {
        http_say_wrong(text, lua, which, wrong);
        snprintf(l->why, sizeof l->why, "%s", text);
        lines_close(l, NULL, NULL);
        return 1;
    }
    fetch_start(&l->fetch, 0, timeout_ms);
    return lines_await(lua, l, lua_gettop(lua));
}

static struct lines *lines_check(lua_State *lua)
{
    struct lines *l = luaL_testudata(lua, 1, metatable);

    if (l == NULL)
        luaL_error(lua, "call it on lines of lb.http.lines, with a colon: lines:close()");
    if (await_is_begun(&l->await))
        luaL_error(lua, "another coroutine awaits on these lines: one at a time");
    return l;
}

/* for line in lines do */
static int lines_next(lua_State *lua)
{
    struct lines *l = lines_check(lua);
    size_t bytes;

    await_check(lua, "lb.http.lines");
    if (lines_find(l, &bytes)) {
        push_line(lua, l, bytes);
        return 1;
    }
    fetch_read_on(&l->fetch, l->silence_ms);
    return lines_await(lua, l, 1);
}

static int lines_close_call(lua_State *lua)
{
    lines_close(lines_check(lua), NULL, NULL);
    return 0;
}

/* lines.status, lines.headers: nil if there was no answer; lines.why: nil if it was whole. */
static int lines_index(lua_State *lua)
{
    const struct lines *l = luaL_testudata(lua, 1, metatable);
    const char *name = lua_tostring(lua, 2);

    if (l == NULL || name == NULL)
        return luaL_error(lua, "lines have the members status, headers, why and close");
    if (strcmp(name, "why") == 0) {
        if (l->why[0] == '\0')
            return 0;
        lua_pushstring(lua, l->why);
    } else if (strcmp(name, "close") == 0) {
        lua_pushcfunction(lua, lines_close_call);
    } else if (strcmp(name, "status") == 0 || strcmp(name, "headers") == 0) {
        lua_getfenv(lua, 1);
        lua_getfield(lua, -1, name);
    } else {
        return luaL_error(lua, "lines have no '%s', but status, headers, why and close", name);
    }
    return 1;
}

static int lines_write(lua_State *lua)
{
    return luaL_error(lua, "lines cannot be changed");
}

static int lines_tostring(lua_State *lua)
{
    lua_pushstring(lua, "lines of an answer");
    return 1;
}

void http_lines_offer(lua_State *lua)
{
    static const luaL_Reg methods[] = {
        {"__call", lines_next},  {"__index", lines_index},       {"__newindex", lines_write},
        {"__gc", lines_collect}, {"__tostring", lines_tostring}, {NULL, NULL},
    };

    luaL_newmetatable(lua, metatable);
    luaL_register(lua, NULL, methods);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
    await_offer(lua, "http_lines", http_lines);
}
