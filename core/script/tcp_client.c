/*
 * lb.tcp: connections of scripts. One is the script's as long as it has it, over calls too: a pool
 * in a table is a few lines of Lua. It is closed by conn:close(), when anything on it fails, when
 * the call that awaits on it is thrown away, by the collector, and with the script.
 *
 * A connection is a full userdata, whose memory is the collector's. While a call awaits on it the
 * registry holds it: the script may have let it go ("lb.tcp.connect(..):line()"), and a coroutine
 * that has yielded keeps no arguments.
 */
#include "base/clock.h"
#include "base/decimal.h"
#include "dial/kept.h"
#include "dial/talk.h"
#include "lua/sandbox.h"
#include "script/await.h"
#include "script/tls_options.h"

#include <lauxlib.h>

enum { COLLECT_SHARE = 20 }; /* one part in so many of the time, for collections for connections */

struct conn {
    struct talk talk;
    struct await await;
    struct await_owned owned;                             /* by the script */
    lua_State *lua;                                       /* the script's own, no coroutine's */
    int held;                                             /* reference, while a call awaits */
    bool gives_text;                                      /* what it is asked last */
    char address[sizeof((struct address *)0)->host + 16]; /* as it was given, perhaps cut */
};

static const char metatable[] = "lb connection"; /* in the registry */

/* --- results --- */

/* What a call on a connection gives. */
static int push_outcome(lua_State *lua, const struct conn *c, enum talk_step step)
{
    if (step == TALK_FAILED) {
        lua_pushnil(lua);
        lua_pushstring(lua, c->talk.why);
        return 2;
    }
    if (c->gives_text)
        lua_pushlstring(lua, c->talk.result.start, c->talk.result.length);
    else
        lua_pushboolean(lua, 1);
    return 1;
}

/* --- waiting --- */

static void conn_let_go(struct conn *c)
{
    luaL_unref(c->lua, LUA_REGISTRYINDEX, c->held);
    c->held = LUA_NOREF;
}

/* Its next answer would be the one to what was asked last. */
static void conn_cancel(struct await *await)
{
    struct conn *c = list_entry(await, struct conn, await);

    talk_close(&c->talk, "the call that used it has ended");
    conn_let_go(c);
}

static void on_over(struct talk *t, enum talk_step step)
{
    struct conn *c = list_entry(t, struct conn, talk);
    lua_State *lua;
    int results;

    if (!await_is_begun(&c->await)) { /* no memory was left to await */
        talk_close(&c->talk, "not enough memory");
        return;
    }
    lua = await_stack(&c->await);
    results = push_outcome(lua, c, step);
    conn_let_go(c);
    await_end(&c->await, results);
}

static void on_opened(struct talk *t, enum talk_step step)
{
    struct conn *c = list_entry(t, struct conn, talk);
    lua_State *lua;

    if (step == TALK_FAILED || !await_is_begun(&c->await)) {
        on_over(t, step);
        return;
    }
    t->on_over = on_over;
    lua = await_stack(&c->await);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, c->held);
    conn_let_go(c);
    await_end(&c->await, 1);
}

/* The connection is at that index. */
static int conn_await(lua_State *lua, struct conn *c, int index)
{
    lua_pushvalue(lua, index);
    c->held = luaL_ref(lua, LUA_REGISTRYINDEX);
    return await_begin(lua, &c->await);
}

/* --- connections --- */

static void on_script_closed(struct await_owned *owned)
{
    struct conn *c = list_entry(owned, struct conn, owned);

    talk_close(&c->talk, "the script was closed");
}

static int conn_collect(lua_State *lua)
{
    struct conn *c = lua_touserdata(lua, 1);

    list_remove(&c->owned.node);
    talk_close(&c->talk, "collected");
    return 0;
}

static struct conn *conn_new(lua_State *lua)
{
    struct conn *c = lua_newuserdata(lua, sizeof *c);

    *c = (struct conn){.lua = coroutines_of(lua)->lua, .held = LUA_NOREF};
    c->await.cancel = conn_cancel;
    c->owned.close = on_script_closed;
    list_init(&c->owned.node);
    talk_init(&c->talk, await_loop(lua), 0);
    luaL_setmetatable(lua, metatable);
    return c;
}

/* The first argument; an error if it is none, or in use. */
static struct conn *conn_check(lua_State *lua, const char *method)
{
    struct conn *c = luaL_testudata(lua, 1, metatable);

    if (c == NULL)
        luaL_error(lua, "call it on a connection, with a colon: conn:%s()", method);
    if (c->talk.wish != TALK_NOTHING)
        luaL_error(lua, "conn:%s: another coroutine awaits on this connection: one at a time",
                   method);
    return c;
}

/* Connections that the script has no more may not be collected yet. A collection takes as long as
 * there is live data, so it gets a share of the time; a connection at rest makes it needless. */
void tcp_client_make_room(lua_State *lua)
{
    static uint64_t not_before_us;
    uint64_t begun_us = clock_steady_us(), over_us;

    if (!links_are_full() || kept_is_there() || begun_us < not_before_us)
        return;
    lua_gc(lua, LUA_GCCOLLECT, 0);
    over_us = clock_steady_us();
    not_before_us = over_us + (over_us - begun_us) * COLLECT_SHARE;
}

/* --- what scripts call --- */

/* NULL, or what is wrong. Without TLS wish->is_http stays. */
static const char *read_wish(lua_State *lua, int first, const struct address *to,
                             struct secured_wish *wish)
{
    if (!tls_options_read(lua, first, wish))
        return NULL;
    wish->is_http = false;
    if (!tls_options_name_is_right(wish))
        return tls_options_wrong_name;
    if (wish->name.length == 0 && to->kind != ADDRESS_UNIX)
        wish->name = slice_of(to->host);
    return wish->name.length == 0 && wish->verify ? "name is missing: a path has no host" : NULL;
}

/* address, timeout in seconds, and tls_options: checked by core/lua/clients.lua. */
static int tcp_connect(lua_State *lua)
{
    struct slice text;
    struct address address;
    struct secured_wish wish;
    const char *wrong;
    struct conn *c;

    await_check(lua, "lb.tcp.connect");
    text.start = luaL_checklstring(lua, 1, &text.length);
    wrong = address_parse(&address, text, false);
    if (wrong != NULL) {
        lua_pushnil(lua);
        lua_pushfstring(lua, "address: %s", wrong);
        return 2;
    }
    wrong = read_wish(lua, 3, &address, &wish);
    if (wrong != NULL) {
        lua_pushnil(lua);
        lua_pushfstring(lua, "tls: %s", wrong);
        return 2;
    }
    tcp_client_make_room(lua);
    c = conn_new(lua);
    memcpy(c->address, text.start,
           text.length < sizeof c->address ? text.length : sizeof c->address - 1);
    await_own(lua, &c->owned);
    c->talk.timeout_ms = (uint64_t)(luaL_checknumber(lua, 2) * 1000 + 0.5);
    c->talk.on_over = on_opened;
    talk_open(&c->talk, &address, wish.is_http ? NULL : &wish);
    return conn_await(lua, c, -1);
}

static size_t check_bytes(lua_State *lua, const char *method, lua_Number least)
{
    lua_Number bytes = lua_tonumber(lua, 2);

    if (lua_type(lua, 2) != LUA_TNUMBER || !(bytes >= least && bytes <= TALK_BYTES_MAX) ||
        bytes != (lua_Number)(size_t)bytes)
        luaL_error(lua, "conn:%s needs a whole number of bytes from %d to %d", method, (int)least,
                   TALK_BYTES_MAX);
    return (size_t)bytes;
}

static int conn_finish(lua_State *lua, struct conn *c, enum talk_step step)
{
    if (step == TALK_WAITS)
        return conn_await(lua, c, 1);
    return push_outcome(lua, c, step);
}

static int conn_line(lua_State *lua)
{
    struct conn *c = conn_check(lua, "line");
    size_t most = lua_isnoneornil(lua, 2) ? TALK_LINE_BYTES : check_bytes(lua, "line", 1);

    await_check(lua, "conn:line");
    c->gives_text = true;
    return conn_finish(lua, c, talk_line(&c->talk, most));
}

static int conn_read(lua_State *lua)
{
    struct conn *c = conn_check(lua, "read");
    size_t bytes = check_bytes(lua, "read", 0);

    await_check(lua, "conn:read");
    c->gives_text = true;
    return conn_finish(lua, c, talk_read(&c->talk, bytes));
}

static int conn_send(lua_State *lua)
{
    struct conn *c = conn_check(lua, "send");
    char digits[DECIMAL_OF_DOUBLE_BYTES];
    struct slice text = {digits, 0};

    if (lua_type(lua, 2) == LUA_TNUMBER)
        text.length = decimal_of_double(lua_tonumber(lua, 2), digits);
    else if (lua_type(lua, 2) == LUA_TSTRING)
        text.start = lua_tolstring(lua, 2, &text.length);
    else
        return luaL_error(lua, "conn:send needs a text, got %s", luaL_typename(lua, 2));
    if (text.length > TALK_BYTES_MAX)
        return luaL_error(lua, "conn:send takes a text of %d bytes at most", TALK_BYTES_MAX);
    await_check(lua, "conn:send");
    c->gives_text = false;
    return conn_finish(lua, c, talk_send(&c->talk, text));
}

static int conn_close(lua_State *lua)
{
    struct conn *c = conn_check(lua, "close");

    talk_close(&c->talk, "by the script");
    return 0;
}

static int conn_tostring(lua_State *lua)
{
    const struct conn *c = lua_touserdata(lua, 1);

    lua_pushfstring(lua, "a connection to %s", c->address);
    return 1;
}

/* --- offering them --- */

/* Pushes a table that has the methods, and raises an error for what is none. */
static void push_methods(lua_State *lua)
{
    static const luaL_Reg methods[] = {
        {"line", conn_line},   {"read", conn_read}, {"send", conn_send},
        {"close", conn_close}, {NULL, NULL},
    };

    sandbox_push_of_prelude(lua, "locked");
    lua_pushstring(lua, "a connection");
    lua_newtable(lua);
    luaL_register(lua, NULL, methods);
    lua_call(lua, 2, 1);
}

void tcp_client_offer(lua_State *lua)
{
    luaL_newmetatable(lua, metatable);
    push_methods(lua);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, conn_collect);
    lua_setfield(lua, -2, "__gc");
    lua_pushcfunction(lua, conn_tostring);
    lua_setfield(lua, -2, "__tostring");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
    await_offer(lua, "tcp_connect", tcp_connect);
}
