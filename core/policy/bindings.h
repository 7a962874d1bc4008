/*
 * bindings - what a hook's call reads and writes, from both sides of the border.
 *
 * C fills the struct below and calls a function of policy/hooks.lua; that shows
 * the script locked tables, which read the facts lazily through the FFI, and
 * gives the script's answer back through the functions below. The layout is also
 * declared in policy/hooks.lua: change both. Nothing that comes from there is
 * trusted here.
 */
#ifndef POLICY_BINDINGS_H
#define POLICY_BINDINGS_H

#include "base/slice.h"
#include "config/config.h"
#include "policy/facts.h"
#include "shared/segment.h"

#include <lua.h>
#include <stdbool.h>

enum binding_list {
    BINDING_LIST_SAME, /* the list of the last call that was to be kept */
    BINDING_LIST_KEEP, /* a new one, and keep it */
    BINDING_LIST_ONCE, /* a new one for this call only */
};

/* What hooks.lua's choose returns when it is not a backend's number. */
enum binding_answer {
    BINDING_REFUSED = -1,
    BINDING_RESPONDED = -2,
    BINDING_WRONG = -3, /* policy_answer_why has said what */
};

struct binding_call { /* one running call */
    struct facts_request *request;
    double number; /* another for each call: a ctx that was kept is seen by it */
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
    const struct facts_result *result; /* of on_done and ctx:finally; NULL otherwise */
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

/* --- for policy/hooks.lua, which calls them by name --- */

struct binding_field { /* the layout is also in policy/hooks.lua */
    struct slice value;
    uint32_t next; /* the place of the next field of that name; 0: there is none */
};

/* The first field of that name from that place on, in any letter case; good until the next call.
 * NULL: none. Of a request those that go on to its backend, whose Host may be another. */
const struct binding_field *policy_header(const struct facts_request *, const char *name,
                                          size_t length, uint32_t from);
const struct binding_field *policy_response_header(const struct head *, const char *name,
                                                   size_t length, uint32_t from);
struct binding_pair { /* the layout is also in policy/hooks.lua */
    struct slice name, value;
    uint32_t next; /* the place behind it */
};

/* The first field from that place on; good until the next call. NULL: there is none. Of a request
 * those that go on to its backend. */
const struct binding_pair *policy_field_at(const struct facts_request *, uint32_t from);
const struct binding_pair *policy_response_field_at(const struct head *, uint32_t from);
/* Has no other field that name, or one like it (http/field_kind.h)? */
bool policy_header_is_only(const struct facts_request *, const char *name, size_t length);
double policy_remaining(const struct facts_request *); /* seconds; negative: no deadline */
/* By its slot. Of a backend that does not exist: down, and 0. */
uint32_t policy_backend_in_flight(const struct segment *, uint32_t slot);
double policy_backend_requests(const struct segment *, uint32_t slot);
double policy_backend_failures(const struct segment *, uint32_t slot);
uint32_t policy_backend_failures_in_row(const struct segment *, uint32_t slot);
uint32_t policy_backend_pending(const struct segment *, uint32_t slot);
double policy_backend_ewma_ms(struct segment *, uint32_t slot);
double policy_backend_error_rate(const struct segment *, uint32_t slot);
/* NULL: there was none. Good until the next call. */
const char *policy_backend_last_error(const struct segment *, uint32_t slot);

/* The parts of an answer; texts are copied to the request's arena. False, and the answer
 * is none: no HTTP that could be sent, or a field that lb sets itself. */
/* A hook has returned more than lb reads. True: it is rehearsed, so that is wrong; else it is
 * said. */
bool policy_value_dropped(const char *hook, const char *file, uint32_t line, const char *what);
void bindings_rehearse(bool); /* for all scripts of this process */
void policy_answer_why(struct binding_call *, const char *text, size_t length);
void policy_answer_wrong(struct binding_call *, const char *text, size_t length);
bool policy_answer_respond(struct binding_call *, uint32_t status, uint32_t fields,
                           const char *body, size_t length);
/* May an answer have a field of that name? An enum field_fault. */
uint32_t policy_answer_fault(const char *name, size_t length);
bool policy_answer_field(struct binding_call *, const char *name, size_t name_length,
                         const char *value, size_t value_length);

#endif
