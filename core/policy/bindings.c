#include "policy/bindings.h"

#include "base/arena.h"
#include "base/clock.h"
#include "http/head.h"
#include "lua/embedded.h"
#include "lua/sandbox.h"
#include "shared/board.h"

#include <lauxlib.h>
#include <stdbool.h>

EMBEDDED(hooks, "core/policy/hooks.lua")

/* --- what a script reads --- */

const struct slice *policy_header(const struct facts_request *request, const char *name,
                                  size_t length)
{
    return head_find(request->head, (struct slice){name, length});
}

double policy_remaining(const struct facts_request *request)
{
    double left_ms = request->deadline_ms - (double)clock_steady_us() / 1000;

    if (request->deadline_ms == 0)
        return -1;
    return left_ms > 0 ? left_ms / 1000 : 0;
}

uint32_t policy_backend_state(const struct segment *segment, uint32_t backend)
{
    if (!board_verdict(segment, backend).up)
        return 1;
    return board_is_available(segment, backend, clock_steady_ms()) ? 0 : 2;
}

uint32_t policy_backend_in_flight(const struct segment *segment, uint32_t backend)
{
    return board_in_flight(segment, backend);
}

double policy_backend_requests(const struct segment *segment, uint32_t backend)
{
    return (double)board_requests(segment, backend);
}

double policy_backend_failures(const struct segment *segment, uint32_t backend)
{
    return (double)board_failures(segment, backend);
}

uint32_t policy_backend_failures_in_row(const struct segment *segment, uint32_t backend)
{
    return board_failures_in_row(segment, backend);
}

/* --- what it answers --- */

static struct slice copy_for(struct binding_call *call, const char *bytes, size_t length)
{
    return arena_copy(call->request->arena, (struct slice){bytes, length});
}

void policy_answer_why(struct binding_call *call, const char *text, size_t length)
{
    call->decision->why = copy_for(call, text, length);
}

void policy_answer_wrong(struct binding_call *call, const char *text, size_t length)
{
    call->wrong = copy_for(call, text, length);
}

void policy_answer_respond(struct binding_call *call, uint32_t status, uint32_t fields,
                           const char *body, size_t length)
{
    struct facts_decision *decision = call->decision;

    decision->status = status;
    decision->body = copy_for(call, body, length);
    decision->fields_count = 0;
    decision->fields = arena_alloc(call->request->arena, fields * sizeof *decision->fields);
}

void policy_answer_field(struct binding_call *call, const char *name, size_t name_length,
                         const char *value, size_t value_length)
{
    call->decision->fields[call->decision->fields_count++] = (struct facts_field){
        .name = copy_for(call, name, name_length),
        .value = copy_for(call, value, value_length),
    };
}

/* --- what hooks.lua begins with --- */

static void push_tags(lua_State *lua, const struct config_backend *backend)
{
    lua_newtable(lua);
    for (unsigned i = 0; i < backend->tags_count; i++) {
        lua_pushstring(lua, backend->tags[i].value);
        lua_setfield(lua, -2, backend->tags[i].key);
    }
}

/* What does not change about a backend, as a plain table. */
static void push_backend(lua_State *lua, const struct config_backend *backend)
{
    lua_newtable(lua);
    lua_pushstring(lua, backend->name);
    lua_setfield(lua, -2, "name");
    lua_pushstring(lua, backend->text);
    lua_setfield(lua, -2, "address");
    lua_pushstring(lua, backend->address.host);
    lua_setfield(lua, -2, "host");
    lua_pushnumber(lua, backend->address.port);
    lua_setfield(lua, -2, "port");
    lua_pushnumber(lua, backend->weight);
    lua_setfield(lua, -2, "weight");
    push_tags(lua, backend);
    lua_setfield(lua, -2, "tags");
}

void bindings_push_hooks(lua_State *lua, const struct config *config, struct segment *segment,
                         struct binding_call *call)
{
    struct slice hooks = embedded_hooks();

    if (luaL_loadbufferx(lua, hooks.start, hooks.length, "=lb hooks", "t") != 0)
        lua_error(lua);
    sandbox_push_prelude(lua);
    lua_pushlightuserdata(lua, segment);
    lua_pushlightuserdata(lua, call);
    lua_newtable(lua);
    for (unsigned i = 0; i < config->backends_count; i++) {
        push_backend(lua, &config->backends[i]);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_call(lua, 4, 1);
}
