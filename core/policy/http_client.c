#include "policy/http_client.h"

#include "base/mem.h"
#include "lua/sandbox.h"
#include "policy/await.h"
#include "policy/fetch.h"
#include "policy/tcp_client.h"

#include <lauxlib.h>
#include <stdio.h>

/* The arguments of http_fetch; names and values of fields follow, in turn. */
enum { METHOD = 1, URL, TIMEOUT, BODY_MAX, BODY, FIELDS };

struct call {
    struct fetch fetch;
    struct await await;
};

static char headers_meta_key; /* in the registry, by its address */

static void call_free(struct call *c)
{
    fetch_dispose(&c->fetch);
    mem_free(c);
}

static void call_cancel(struct await *await)
{
    call_free(list_entry(await, struct call, await));
}

/* --- the answer --- */

static void push_lower(lua_State *lua, struct slice name)
{
    char *lower = mem_copy(name.start, name.length);

    for (size_t i = 0; i < name.length; i++)
        lower[i] = ascii_lower(lower[i]);
    lua_pushlstring(lua, lower, name.length);
    mem_free(lower);
}

/* By lower-case names; values of the same name as one list (RFC 9110, 5.3). */
static void push_headers(lua_State *lua, const struct head *head)
{
    lua_createtable(lua, 0, (int)head->fields_count);
    for (unsigned i = 0; i < head->fields_count; i++) {
        const struct field *field = &head->fields[i];

        push_lower(lua, field->name);
        lua_pushvalue(lua, -1);
        lua_rawget(lua, -3);
        if (lua_isnil(lua, -1)) {
            lua_pop(lua, 1);
            lua_pushlstring(lua, field->value.start, field->value.length);
        } else {
            lua_pushstring(lua, ", ");
            lua_pushlstring(lua, field->value.start, field->value.length);
            lua_concat(lua, 3);
        }
        lua_rawset(lua, -3);
    }
    lua_pushlightuserdata(lua, &headers_meta_key);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    lua_setmetatable(lua, -2);
}

static void push_answer(lua_State *lua, const struct fetch *f)
{
    struct slice body = buffer_slice(&f->body);

    lua_createtable(lua, 0, 3);
    lua_pushinteger(lua, (lua_Integer)f->parse.head.status);
    lua_setfield(lua, -2, "status");
    push_headers(lua, &f->parse.head);
    lua_setfield(lua, -2, "headers");
    lua_pushlstring(lua, body.start, body.length);
    lua_setfield(lua, -2, "body");
}

static void on_over(struct fetch *f)
{
    struct call *c = list_entry(f, struct call, fetch);
    lua_State *lua = await_stack(&c->await);
    int results = 1;

    if (f->has_answer) {
        push_answer(lua, f);
    } else {
        lua_pushnil(lua);
        lua_pushstring(lua, f->why);
        results = 2;
    }
    fetch_dispose(f);
    await_end(&c->await, results);
    mem_free(c);
}

/* --- the request --- */

static struct slice slice_at(lua_State *lua, int index)
{
    struct slice text = {NULL, 0};

    if (lua_type(lua, index) == LUA_TSTRING)
        text.start = lua_tolstring(lua, index, &text.length);
    return text;
}

/* NULL, or what is wrong, in where. */
static const char *call_fill(lua_State *lua, struct fetch *f, char *where, size_t where_bytes)
{
    const char *wrong = fetch_set_method(f, slice_at(lua, METHOD));

    if (wrong != NULL) {
        snprintf(where, where_bytes, "method: %s", wrong);
        return where;
    }
    wrong = fetch_set_url(f, slice_at(lua, URL));
    if (wrong != NULL) {
        snprintf(where, where_bytes, "url: %s", wrong);
        return where;
    }
    for (int i = FIELDS; i + 1 <= lua_gettop(lua); i += 2) {
        struct slice name = slice_at(lua, i);

        wrong = fetch_add_field(f, name, slice_at(lua, i + 1));
        if (wrong != NULL) {
            snprintf(where, where_bytes, "header: '%.*s': %s",
                     (int)(name.length < 64 ? name.length : 64), name.start, wrong);
            return where;
        }
    }
    wrong = fetch_set_body(f, slice_at(lua, BODY));
    if (wrong != NULL)
        snprintf(where, where_bytes, "%s: %s", wrong == held_too_many ? "limit" : "body", wrong);
    return wrong != NULL ? where : NULL;
}

/* Types and ranges were checked by core/lua/clients.lua, and nothing here raises an error once
 * there is a call to free. */
static int http_fetch(lua_State *lua)
{
    double timeout = luaL_checknumber(lua, TIMEOUT), body_max = luaL_checknumber(lua, BODY_MAX);
    char where[256];
    struct call *c;

    await_check(lua, "lb.http");
    tcp_client_make_room(lua);
    c = mem_zalloc(sizeof *c);
    c->await.cancel = call_cancel;
    fetch_init(&c->fetch, await_loop(lua));
    c->fetch.on_over = on_over;
    if (call_fill(lua, &c->fetch, where, sizeof where) != NULL) {
        call_free(c);
        lua_pushnil(lua);
        lua_pushstring(lua, where);
        return 2;
    }
    fetch_start(&c->fetch, (size_t)body_max, (uint64_t)(timeout * 1000 + 0.5));
    return await_begin(lua, &c->await);
}

void http_client_offer(lua_State *lua)
{
    lua_pushlightuserdata(lua, &headers_meta_key);
    sandbox_push_prelude(lua);
    lua_getfield(lua, -1, "http_headers"); /* core/lua/clients.lua */
    lua_remove(lua, -2);
    lua_rawset(lua, LUA_REGISTRYINDEX);
    await_offer(lua, "http_fetch", http_fetch);
}
