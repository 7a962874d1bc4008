/*
 * lb.dns.lookup(name, type): what DNS servers say of a name, for scripts.
 */
#include "base/mem.h"
#include "dial/dns.h"
#include "script/await.h"
#include "script/script_inside.h"

#include <arpa/inet.h>
#include <lauxlib.h>

enum { AT_ONCE_MAX = 256 };

static const char too_many[] = "too many lookups: 256 at once at most";

struct dns_client {
    struct await await;
    struct dns *dns;
    struct dns_lookup lookup;
    char name[DNS_ASKED_BYTES];
};

static unsigned at_once; /* of all scripts in the process */

static void client_free(struct dns_client *c)
{
    dns_lookup_cancel(&c->lookup);
    dns_return(c->dns);
    mem_free(c);
    at_once--;
}

static void client_cancel(struct await *await)
{
    client_free(list_entry(await, struct dns_client, await));
}

/* --- results --- */

static void set_number(lua_State *lua, const char *name, double number)
{
    lua_pushnumber(lua, number);
    lua_setfield(lua, -2, name);
}

static void push_record(lua_State *lua, const struct dns_answer *a, const struct dns_record *r)
{
    char text[INET6_ADDRSTRLEN];

    lua_createtable(lua, 0, 5);
    set_number(lua, "ttl", r->ttl_s);
    if (r->type == DNS_SRV) {
        lua_pushstring(lua, r->data.text.length > 0 ? dns_answer_text(a, r) : ".");
        lua_setfield(lua, -2, "target");
        set_number(lua, "port", r->port);
        set_number(lua, "weight", r->weight);
        set_number(lua, "priority", r->priority);
    } else if (r->type == DNS_TXT) {
        lua_pushlstring(lua, dns_answer_text(a, r), r->data.text.length);
        lua_setfield(lua, -2, "text");
    } else {
        lua_pushstring(lua, inet_ntop(r->type == DNS_A ? AF_INET : AF_INET6, r->data.address, text,
                                      sizeof text));
        lua_setfield(lua, -2, "address");
    }
}

static int push_answer(lua_State *lua, const struct dns_lookup *l)
{
    const struct dns_answer *a = &l->answers[0];

    if (a->outcome != DNS_FOUND) {
        lua_pushnil(lua);
        lua_pushfstring(lua, "%s: %s", dns_outcome_text(a->outcome), l->name);
        return 2;
    }
    lua_createtable(lua, (int)a->count, 0);
    for (unsigned i = 0; i < a->count; i++) {
        push_record(lua, a, &a->records[i]);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    return 1;
}

static void on_over(struct dns_lookup *l)
{
    struct dns_client *c = list_entry(l, struct dns_client, lookup);
    int results;

    if (!await_is_begun(&c->await)) { /* no memory was left to await */
        client_free(c);
        return;
    }
    results = push_answer(await_stack(&c->await), l);
    await_end(&c->await, results);
    client_free(c);
}

/* --- the function --- */

static bool read_type(const char *text, enum dns_type *type)
{
    static const struct {
        const char *text;
        enum dns_type type;
    } types[] = {{"A", DNS_A}, {"AAAA", DNS_AAAA}, {"SRV", DNS_SRV}, {"TXT", DNS_TXT}};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].text, text) == 0) {
            *type = types[i].type;
            return true;
        }
    return false;
}

static int refuse(lua_State *lua, const char *why)
{
    lua_pushnil(lua);
    lua_pushstring(lua, why);
    return 2;
}

/* The script keeps the channels from its first lookup on, so that the next one finds them. */
static struct dns *take_dns(struct script *script, struct loop *loop)
{
    const struct config_discovery *settings = &script->config->discovery;

    if (script->dns == NULL)
        script->dns = dns_take(loop, DNS_RESOLV_CONF, settings->servers, settings->servers_count);
    return dns_take(loop, DNS_RESOLV_CONF, settings->servers, settings->servers_count);
}

/* Name and type: texts, as core/lua/clients.lua has checked. */
static int dns_lookup_call(lua_State *lua)
{
    struct slice name;
    enum dns_type type;
    struct dns_client *c;

    await_check(lua, "lb.dns.lookup");
    name.start = luaL_checklstring(lua, 1, &name.length);
    if (!read_type(luaL_checkstring(lua, 2), &type))
        return luaL_error(lua, "lb.dns.lookup: the type is \"A\", \"AAAA\", \"SRV\" or \"TXT\"");
    if (!dns_is_name(name))
        return refuse(lua, dns_outcome_text(DNS_BAD_NAME));
    if (at_once == AT_ONCE_MAX)
        return refuse(lua, too_many);
    c = mem_zalloc(sizeof *c);
    at_once++;
    c->dns = take_dns(lua_touserdata(lua, lua_upvalueindex(1)), await_loop(lua));
    c->await.cancel = client_cancel;
    c->lookup.on_over = on_over;
    *slice_put(c->name, name) = '\0';
    dns_lookup_start(&c->lookup, c->dns, c->name, &type, 1);
    return await_begin(lua, &c->await);
}

void dns_client_offer(lua_State *lua, struct script *script)
{
    await_offer_to(lua, "dns_lookup", dns_lookup_call, script);
}
