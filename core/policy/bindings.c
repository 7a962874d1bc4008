#include "policy/bindings.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "http/field_kind.h"
#include "http/field_rules.h"
#include "http/forward.h"
#include "http/head.h"
#include "lua/embedded.h"
#include "lua/sandbox.h"
#include "shared/backend_numbers.h"
#include "shared/board.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

EMBEDDED(hooks, "core/policy/hooks.lua")
EMBEDDED(backends, "core/policy/backends.lua")
EMBEDDED(lists, "core/policy/lists.lua")
EMBEDDED(context, "core/policy/context.lua")
EMBEDDED(headers, "core/policy/headers.lua")
EMBEDDED(answers, "core/policy/answers.lua")
EMBEDDED(overrides, "core/policy/overrides.lua")

enum { FIELDS_MAX = 1000 }; /* of an answer */

/* Lua calls the functions here that are not static by name. */

/* --- what a script reads --- */

struct binding_field { /* the layout is also in policy/hooks.lua */
    struct slice value;
    uint32_t next; /* where to look for the next one */
    struct slice name;
};

static unsigned next_of(const struct head *head, struct slice name, unsigned from)
{
    while (from < head->fields_count && !slice_is_nocase(head->fields[from].name, name))
        from++;
    return from;
}

static const struct binding_field *find_field(const struct head *head, struct slice name,
                                              uint32_t from)
{
    static struct binding_field found;
    unsigned at = next_of(head, name, from), next;

    if (at == head->fields_count)
        return NULL;
    next = next_of(head, name, at + 1);
    found.value = head->fields[at].value;
    found.next = next < head->fields_count ? next : 0;
    return &found;
}

/* The first field of that name from that place on, in any letter case, without its name; next is 0
 * if it is the last. Good until the next call. NULL: none. Of a request only fields that are
 * forwarded to its backend count, whose Host may be another. */
const struct binding_field *policy_header(const struct facts_request *request, const char *bytes,
                                          size_t length, uint32_t from)
{
    static struct binding_field host;
    struct slice name = {bytes, length};
    const struct binding_field *found = find_field(request->head, name, from);

    if (found == NULL || !forward_passes(request->head, name, request->is_trusted))
        return NULL;
    if (request->authority.length == 0 || !slice_is_nocase(name, SLICE("host")))
        return found;
    host.value = request->authority; /* of the target, if it has one (RFC 9112, 3.2.2) */
    return &host;
}

const struct binding_field *policy_response_header(const struct head *response, const char *name,
                                                   size_t length, uint32_t from)
{
    if (response == NULL) /* a res that ctx:finally was given has outlived it */
        return NULL;
    return find_field(response, (struct slice){name, length}, from);
}

static struct binding_field *field_at(const struct head *head, uint32_t from)
{
    static struct binding_field found;

    if (from >= head->fields_count)
        return NULL;
    found = (struct binding_field){head->fields[from].value, from + 1, head->fields[from].name};
    return &found;
}

/* The first field from that place on; good until the next call. NULL: there is none. Of a request
 * only fields that are forwarded to its backend count. */
const struct binding_field *policy_field_at(const struct facts_request *request, uint32_t from)
{
    struct binding_field *found = field_at(request->head, from);

    while (found != NULL && !forward_passes(request->head, found->name, request->is_trusted))
        found = field_at(request->head, found->next);
    if (found != NULL && request->authority.length > 0 &&
        slice_is_nocase(found->name, SLICE("host")))
        found->value = request->authority; /* as in policy_header */
    return found;
}

const struct binding_field *policy_response_field_at(const struct head *response, uint32_t from)
{
    return response != NULL ? field_at(response, from) : NULL;
}

/* Has no other field that name, or one like it (http/field_kind.h)? */
bool policy_header_is_only(const struct facts_request *request, const char *name, size_t length)
{
    const struct head *head = request->head;
    unsigned count = 0;

    for (unsigned i = 0; i < head->fields_count; i++)
        count += name_is_alike(head->fields[i].name, (struct slice){name, length});
    return count == 1;
}

/* Seconds; negative: no deadline. */
double policy_remaining(const struct facts_request *request)
{
    double left_ms = request->deadline_ms - (double)clock_steady_us() / 1000;

    if (request->deadline_ms == 0)
        return -1;
    return left_ms > 0 ? left_ms / 1000 : 0;
}

/* One number of a backend, by its slot; 0 if the backend does not exist. */
#define BACKEND_NUMBER(type, name, value)                                                          \
    type policy_backend_##name(struct segment *segment, uint32_t slot)                             \
    {                                                                                              \
        return segment_has_slot(segment, slot) ? (type)(value) : 0;                                \
    }

BACKEND_NUMBER(uint32_t, in_flight, numbers_in_flight(segment, slot))
BACKEND_NUMBER(double, requests, numbers_requests(segment, slot))
BACKEND_NUMBER(double, failures, numbers_failures(segment, slot))
BACKEND_NUMBER(uint32_t, failures_in_row, board_failures_in_row(segment, slot))
BACKEND_NUMBER(uint32_t, pending, numbers_pending(segment, slot))
BACKEND_NUMBER(double, ewma_ms, numbers_ewma_ms(segment, slot, clock_steady_ms()))
BACKEND_NUMBER(double, error_rate, numbers_error_rate(segment, slot, clock_steady_ms()))

/* NULL: there was none. Good until the next call. */
const char *policy_backend_last_error(const struct segment *segment, uint32_t slot)
{
    static char text[NUMBERS_ERROR_BYTES];

    return segment_has_slot(segment, slot) && numbers_last_error(segment, slot, text) ? text : NULL;
}

/* --- what it answers: texts are copied to the request's arena --- */

static struct slice copy_for(struct binding_call *call, const char *bytes, size_t length)
{
    return arena_copy(call->request->arena, (struct slice){bytes, length});
}

void policy_answer_why(struct binding_call *call, const char *text, size_t length)
{
    if (call->decision != NULL)
        call->decision->why = copy_for(call, text, length);
}

void policy_answer_wrong(struct binding_call *call, const char *text, size_t length)
{
    if (call->request != NULL)
        call->wrong = copy_for(call, text, length);
}

/* False, here and below: the answer is none that could be sent. */
bool policy_answer_respond(struct binding_call *call, uint32_t status, uint32_t fields,
                           const char *body, size_t length)
{
    struct facts_decision *decision = call->decision;
    bool has_no_body = status == 204 || status == 205 || status == 304;

    if (decision == NULL || status < 200 || status > 599 || fields > FIELDS_MAX ||
        (has_no_body && length > 0))
        return false;
    decision->status = status;
    decision->body = copy_for(call, body, length);
    decision->fields_count = 0;
    decision->fields = arena_alloc(call->request->arena, fields * sizeof *decision->fields);
    call->fields_room = fields;
    return true;
}

/* May an answer have a field of that name? An enum field_fault. */
uint32_t policy_answer_fault(const char *name, size_t length)
{
    return field_check(FIELD_IN_ANSWER, (struct slice){name, length}, &(struct slice){"", 0});
}

bool policy_answer_field(struct binding_call *call, const char *name, size_t name_length,
                         const char *value, size_t value_length)
{
    struct facts_decision *decision = call->decision;
    struct field field = {{name, name_length}, {value, value_length}};

    if (decision == NULL || decision->fields_count >= call->fields_room ||
        field_check(FIELD_IN_ANSWER, field.name, &field.value) != FIELD_FINE)
        return false;
    field.name = copy_for(call, name, name_length);
    field.value = copy_for(call, value, value_length);
    decision->fields[decision->fields_count++] = field;
    return true;
}

/* --- what hooks.lua and backends.lua begin with --- */

static void push_tags(lua_State *lua, const struct config_backend *backend)
{
    lua_newtable(lua);
    for (unsigned i = 0; i < backend->tags.count; i++) {
        lua_pushstring(lua, backend->tags.list[i].value);
        lua_setfield(lua, -2, backend->tags.list[i].name);
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
    lua_pushstring(lua, config_scheme_names[backend->scheme]);
    lua_setfield(lua, -2, "protocol");
    lua_pushstring(lua, backend->address.host);
    lua_setfield(lua, -2, "host");
    lua_pushnumber(lua, backend->address.port);
    lua_setfield(lua, -2, "port");
    lua_pushnumber(lua, backend->weight);
    lua_setfield(lua, -2, "weight");
    push_tags(lua, backend);
    lua_setfield(lua, -2, "tags");
    lua_pushnumber(lua, backend->slot);
    lua_setfield(lua, -2, "slot");
}

static void push_backends(lua_State *lua, const struct config *config)
{
    lua_newtable(lua);
    for (unsigned i = 0; i < config->backends_count; i++) {
        push_backend(lua, &config->backends[i]);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_pushnumber(lua, (double)config->health.slow_start_ms / 1000);
    lua_setfield(lua, -2, "slow_start");
    lua_pushnumber(lua, config->sources_count > 0 ? SEGMENT_BACKENDS_MAX : config->backends_count);
    lua_setfield(lua, -2, "capacity");
}

/* The parts of hooks.lua as functions, by name. */
static void push_hook_parts(lua_State *lua)
{
    static const struct {
        struct slice (*source)(void);
        const char *name;
    } parts[] = {
        {embedded_answers, "=lb answers"}, {embedded_backends, "=lb backends"},
        {embedded_context, "=lb context"}, {embedded_headers, "=lb headers"},
        {embedded_lists, "=lb lists"},     {embedded_overrides, "=lb overrides"},
    };

    lua_newtable(lua);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        sandbox_push_chunk(lua, parts[i].source(), parts[i].name);
        lua_setfield(lua, -2, parts[i].name + strlen("=lb "));
    }
}

void bindings_push_hooks(lua_State *lua, const struct config *config, struct segment *segment,
                         struct binding_call *call)
{
    random_seed();
    sandbox_push_chunk(lua, embedded_hooks(), "=lb hooks");
    sandbox_push_prelude(lua);
    push_hook_parts(lua);
    lua_pushlightuserdata(lua, segment);
    push_backends(lua, config);
    lua_pushlightuserdata(lua, call);
    lua_call(lua, 5, 1);
}

/* --- sources have found others --- */

struct news {
    const struct membership *members;
    uint32_t gone; /* the place of one that is no more; or: */
    bool is_gone, all;
};

static void push_change(lua_State *lua, int at, const struct membership *m, unsigned place)
{
    lua_pushnumber(lua, place + 1.0);
    lua_rawseti(lua, -2, at);
    push_backend(lua, m->list[place].settings);
    lua_rawseti(lua, -2, at + 1);
}

static void push_changes(lua_State *lua, const struct news *news)
{
    const struct membership *m = news->members;
    int at = 1;

    lua_newtable(lua);
    if (news->is_gone) {
        lua_pushnumber(lua, news->gone + 1.0);
        lua_rawseti(lua, -2, at);
        lua_pushboolean(lua, 0);
        lua_rawseti(lua, -2, at + 1);
    }
    for (unsigned i = 0; !news->is_gone && i < (news->all ? m->count : m->changes_count); i++) {
        unsigned place = news->all ? i : m->changes[i].place;

        if (m->list[place].settings == NULL)
            continue;
        push_change(lua, at, m, place);
        at += 2;
    }
}

static int follow_inside(lua_State *lua)
{
    const struct news *news = lua_touserdata(lua, 1);
    const struct membership *m = news->members;

    lua_getfield(lua, LUA_REGISTRYINDEX, BINDINGS_FOLLOW);
    push_changes(lua, news);
    if (news->is_gone) {
        lua_call(lua, 1, 0);
        return 0;
    }
    lua_createtable(lua, (int)m->listed, 0);
    for (unsigned i = 0; i < m->listed; i++) {
        lua_pushnumber(lua, m->order[i] + 1.0);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_call(lua, 2, 0);
    return 0;
}

static bool follow(lua_State *lua, struct news *news)
{
    if (lua_cpcall(lua, follow_inside, news) == 0)
        return true;
    lua_pop(lua, 1);
    return false;
}

bool bindings_follow(lua_State *lua, const struct membership *m, bool all)
{
    return follow(lua, &(struct news){.members = m, .all = all});
}

bool bindings_take_away(lua_State *lua, const struct membership *m, unsigned place)
{
    return follow(lua, &(struct news){.members = m, .gone = place, .is_gone = true});
}
