/*
 * lb.http: requests of scripts whose answers are wanted whole.
 */
#include "script/http_client.h"

#include "base/mem.h"
#include "lua/sandbox.h"
#include "script/await.h"
#include "script/tls_options.h"

#include <lauxlib.h>
#include <stdio.h>

struct call {
    struct fetch fetch;
    struct await await;
};

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

/* The name is on top of the stack, and stays; its list is above it then. */
static void push_values(lua_State *lua, int lists)
{
    lua_pushvalue(lua, -1);
    lua_rawget(lua, lists);
    if (!lua_isnil(lua, -1))
        return;
    lua_pop(lua, 1);
    lua_newtable(lua);
    lua_pushvalue(lua, -2);
    lua_pushvalue(lua, -2);
    lua_rawset(lua, lists);
}

/* A peer that sends a field of that name takes no method away (core/lua/clients.lua). */
static bool is_method(struct slice name)
{
    return slice_is_nocase(name, SLICE("all")) || slice_is_nocase(name, SLICE("one")) ||
           slice_is_nocase(name, SLICE("each"));
}

/* headers[name], of name and list on top: values of one name are one list (RFC 9110, 5.3), but for
 * Set-Cookie, whose first counts. */
static void set_joined(lua_State *lua, int headers, struct slice name, struct slice value)
{
    size_t count = lua_objlen(lua, -1);

    if (is_method(name) || (count > 1 && slice_is_nocase(name, SLICE("set-cookie"))))
        return;
    lua_pushvalue(lua, -2);
    if (count > 1) {
        lua_pushvalue(lua, -1);
        lua_rawget(lua, headers);
        lua_pushstring(lua, ", ");
    }
    lua_pushlstring(lua, value.start, value.length);
    if (count > 1)
        lua_concat(lua, 3);
    lua_rawset(lua, headers);
}

void http_push_headers(lua_State *lua, const struct head *head)
{
    int headers = lua_gettop(lua) + 1, lists = headers + 1;

    lua_createtable(lua, 0, (int)head->fields_count);
    lua_createtable(lua, 0, (int)head->fields_count);
    for (unsigned i = 0; i < head->fields_count; i++) {
        const struct field *field = &head->fields[i];

        push_lower(lua, field->name);
        push_values(lua, lists);
        lua_pushlstring(lua, field->value.start, field->value.length);
        lua_rawseti(lua, -2, (int)lua_objlen(lua, -2) + 1);
        set_joined(lua, headers, field->name, field->value);
        lua_settop(lua, lists);
    }
    sandbox_push_of_prelude(lua, "http_lists"); /* core/lua/clients.lua, as the other */
    lua_pushvalue(lua, headers);
    lua_pushvalue(lua, lists);
    lua_rawset(lua, -3);
    sandbox_push_of_prelude(lua, "http_headers");
    lua_setmetatable(lua, headers);
    lua_settop(lua, headers);
}

static void push_answer(lua_State *lua, const struct fetch *f)
{
    struct slice body = buffer_slice(&f->body);

    lua_createtable(lua, 0, 3);
    lua_pushinteger(lua, (lua_Integer)f->response.parse.head.status);
    lua_setfield(lua, -2, "status");
    http_push_headers(lua, &f->response.parse.head);
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

static const char *call_secure(lua_State *lua, struct fetch *f, int *which)
{
    struct secured_wish wish;
    bool is_given = tls_options_read(lua, HTTP_TLS, &wish);

    *which = HTTP_TLS;
    if (!fetch_is_secure(f))
        return is_given ? "these options are for https:// only" : NULL;
    if (!tls_options_name_is_right(&wish))
        return tls_options_wrong_name;
    fetch_secure(f, &wish);
    return NULL;
}

static const char *call_set_via(lua_State *lua, struct fetch *f, int *which)
{
    struct slice via = slice_at(lua, HTTP_VIA);

    *which = HTTP_VIA;
    return via.start != NULL ? fetch_set_via(f, via) : NULL;
}

const char *http_fill(lua_State *lua, struct fetch *f, int *which)
{
    const char *wrong = fetch_set_method(f, slice_at(lua, *which = HTTP_METHOD));

    if (wrong == NULL)
        wrong = fetch_set_url(f, slice_at(lua, *which = HTTP_URL));
    if (wrong == NULL)
        wrong = call_secure(lua, f, which);
    if (wrong == NULL)
        wrong = call_set_via(lua, f, which);
    for (int i = HTTP_FIELDS; wrong == NULL && i + 1 <= lua_gettop(lua); i += 2)
        wrong = fetch_add_field(f, slice_at(lua, *which = i), slice_at(lua, i + 1));
    return wrong != NULL ? wrong : fetch_set_body(f, slice_at(lua, *which = HTTP_BODY));
}

void http_say_wrong(char text[HTTP_WRONG_BYTES], lua_State *lua, int which, const char *wrong)
{
    static const char *const names[HTTP_FIELDS] = {[HTTP_METHOD] = "method",
                                                   [HTTP_URL] = "url",
                                                   [HTTP_BODY] = "body",
                                                   [HTTP_VIA] = "via",
                                                   [HTTP_TLS] = "tls"};
    struct slice name = slice_at(lua, which);

    if (which >= HTTP_FIELDS)
        snprintf(text, HTTP_WRONG_BYTES, "header: '%.*s': %s",
                 (int)(name.length < 64 ? name.length : 64), name.start, wrong);
    else
        snprintf(text, HTTP_WRONG_BYTES, "%s: %s", wrong == held_too_many ? "limit" : names[which],
                 wrong);
}

static int push_wrong(lua_State *lua, int which, const char *wrong)
{
    char text[HTTP_WRONG_BYTES];

    http_say_wrong(text, lua, which, wrong);
    lua_pushnil(lua);
    lua_pushstring(lua, text);
    return 2;
}

/* Types and ranges were checked by core/lua/clients.lua, and nothing here raises an error once
 * there is a call to free. */
static int http_fetch(lua_State *lua)
{
    double timeout = luaL_checknumber(lua, HTTP_TIMEOUT);
    double body_max = luaL_checknumber(lua, HTTP_BYTES);
    const char *wrong;
    struct call *c;
    int which;

    await_check(lua, "lb.http");
    tcp_client_make_room(lua);
    c = mem_zalloc(sizeof *c);
    c->await.cancel = call_cancel;
    fetch_init(&c->fetch, await_loop(lua));
    c->fetch.on_over = on_over;
    wrong = http_fill(lua, &c->fetch, &which);
    if (wrong != NULL) {
        call_free(c);
        return push_wrong(lua, which, wrong); /* in static words */
    }
    fetch_start(&c->fetch, (size_t)body_max, (uint64_t)(timeout * 1000 + 0.5));
    return await_begin(lua, &c->await);
}

void http_client_offer(lua_State *lua)
{
    await_offer(lua, "http_fetch", http_fetch);
}
