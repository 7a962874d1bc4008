/*
 * script_inside - a script as the files of this folder see it: script.c loads and calls it, and
 * explain.c says what went wrong.
 */
#ifndef SCRIPT_SCRIPT_INSIDE_H
#define SCRIPT_SCRIPT_INSIDE_H

#include "config/config.h"
#include "script/budget.h"
#include "script/coroutines.h"
#include "script/shortage.h"
#include "shared/hooks.h"

struct script {
    const struct config *config;
    lua_State *lua;
    struct coroutines coroutines;
    struct coroutine *broken;      /* of the call that went wrong, until script_recover */
    struct budget *budget;         /* NULL: none is set */
    int hooks[HOOKS];              /* references; LUA_REFNIL: absent */
    unsigned hook_lines[HOOKS];    /* where each begins, */
    const char *hook_files[HOOKS]; /* in the script, or in a module; the state's text */
    uint64_t cpu_ms;               /* that a call has now */
    int kept, forget_nesting;      /* references */
    bool was_stopped;              /* the last call, by the budget */
    bool was_too_long;             /* the last call that went wrong awaited longer than it may, */
    bool was_wish;                 /* and at last what it had asked to last so long */
    bool was_refused;              /* it held most of those that wait, when memory was short */
    bool was_crowded;              /* those that wait hold more than it did */
    struct shortage shortage;
    struct dns *dns; /* from its first lb.dns.lookup on */
};

/* A text for the error on top of the stack. An error that is no text and no number is named by its
 * type: its __tostring would run without limits. */
const char *script_error_text(lua_State *, char *room, size_t room_bytes);

#endif
