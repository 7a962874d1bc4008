/*
 * bindings - what a hook's call reads and writes, from both sides of the border.
 *
 * C fills the struct below and calls a function of policy/hooks.lua; that shows
 * the script locked tables, which read the facts lazily through the FFI, and
 * gives the script's answer back through functions of bindings.c. The layout is also
 * declared in policy/hooks.lua: change both. Nothing that comes from there is
 * trusted.
 */
#ifndef POLICY_BINDINGS_H
#define POLICY_BINDINGS_H

#include "base/slice.h"
#include "config/config.h"
#include "discover/members.h"
#include "policy/facts.h"
#include "shared/segment.h"

#include <lua.h>
#include <stdbool.h>

enum binding_list {
    BINDING_LIST_SAME, /* the list of the last call that was to be kept */
    BINDING_LIST_KEEP, /* a new one, and keep it */
    BINDING_LIST_ONCE, /* a new one for this call only */
};

#define BINDINGS_FOLLOW "lb follow" /* in the registry: hooks.lua's function for bindings_follow */

/* What hooks.lua's choose returns when it is not a backend's number. */
enum binding_answer {
    BINDING_REFUSED = -1,
    BINDING_RESPONDED = -2,
    BINDING_WRONG = -3, /* policy_answer_why has said what */
    BINDING_GONE = -4,  /* a backend that is no more: it was there when the call began */
};

struct binding_call { /* one running call */
    struct facts_request *request;
    double number; /* each call has its own: it shows a ctx that was kept */
    const uint32_t *backends;
    int32_t check; /* of the list, which two elements are looked at: from 1 */
    uint32_t count;
    uint32_t list;    /* enum binding_list */
    uint32_t backend; /* of on_failure and health, an index */
    uint32_t timer;   /* of a timer's run, its number */
    uint32_t panic;   /* the list holds those that are not available, too */
    /* Of on_failure; of on_health its message is the reason, and its kind is 1 if the backend is
     * up. */
    const struct facts_failure *failure;
    const struct head *response;       /* of on_response */
    uint32_t status;                   /* likewise */
    const struct facts_result *result; /* of on_done and ctx:finally, else NULL */
    uint32_t final;                    /* of ctx:finally, which of the request's: from 1 */
    uint32_t has_ctx;                  /* the request can be shown: it has a head */
    struct facts_decision *decision;   /* of choose and on_response, while they run; else NULL */
    uint32_t fields_room;              /* of the decision's fields */
    struct slice wrong;                /* what was wrong with the answer; in the request's arena */
};

/* Pushes the functions of policy/hooks.lua for this call struct, which must stay in
 * place. Everything is borrowed as long as the state lives. Raises Lua errors. */
void bindings_push_hooks(lua_State *, const struct config *, struct segment *,
                         struct binding_call *);

/* Of the members' changes, or of all of them: calls what hooks.lua has for it. False: there is no
 * memory. */
bool bindings_follow(lua_State *, const struct membership *, bool all) MUST_USE;
/* The same of one that is gone. */
bool bindings_take_away(lua_State *, const struct membership *, unsigned place) MUST_USE;

#endif
