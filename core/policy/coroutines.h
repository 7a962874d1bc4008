/*
 * coroutines - those that the hooks of one script run in, used again and again.
 *
 * A coroutine's stack holds the hooks' functions at its bottom, and above them,
 * during a call, what runs. One that has finished well is used for the next call;
 * one that raised an error, was stopped or is not wanted any more is thrown away.
 * While one awaits, the others go on: what the call had in the script's one struct
 * binding_call, where policy/hooks.lua reads it, is kept with the coroutine, and is
 * put back before it goes on.
 */
#ifndef POLICY_COROUTINES_H
#define POLICY_COROUTINES_H

#include "net/deadline.h"
#include "policy/await.h"
#include "policy/bindings.h"

#include <lua.h>

struct sandbox_heap;

struct coroutine {
    struct coroutines *all;
    lua_State *thread;
    int held;         /* its reference */
    uint8_t answers;  /* on the stack, above the hooks */
    bool has_awaited; /* in this call: what is below has been used */
    bool is_waiting;
    struct coroutine *next; /* in the stack of idle ones */
    struct await *awaits;   /* what it waits for; NULL: it runs, or is idle */
    void *run;              /* whose call it is: struct script_run */
    struct binding_call call;
    int32_t nested;           /* sandbox_nested, while it waits */
    uint64_t held_bytes;      /* allocated in the call before it waited: it may hold so much */
    struct deadline deadline; /* of the whole call, by script.await */
    struct list_node owned;   /* struct await_owned */
    struct list_node node;    /* among those that wait */
};

struct coroutines {
    lua_State *lua;
    struct binding_call *call; /* of the coroutine that runs */
    struct coroutine *running; /* NULL: none */
    struct coroutine *idle;    /* a stack: the one used last is warm */
    unsigned count;            /* of all, whatever they do */
    struct list_node waiting;
    uint64_t held_bytes;             /* by those together */
    uint64_t begun_bytes;            /* of the state, when what runs began to */
    const struct sandbox_heap *heap; /* of the state */
    struct list_node owned;          /* by the script, not by one call */
    struct loop *loop;               /* NULL: nothing may await (yet) */
    bool may_not_await;              /* what runs is over when it returns, and not later */
    uint64_t await_ms;               /* a call lasts so long at most */
    uint64_t memory_bytes;           /* the script's bound */
    const int *hooks; /* references to functions; their positions on the stack from 1 */
    int hooks_count;
    void (*go_on)(struct coroutine *, int results); /* its operation is over */
    void (*on_too_long)(struct coroutine *);        /* script.await has passed while it waited */
};

/* Borrows all. The loop is to be set when calls may await. Within a protected call. */
void coroutines_init(struct coroutines *, lua_State *, struct binding_call *, const int *hooks,
                     int hooks_count);
void coroutines_dispose(struct coroutines *); /* throws away all that wait; before lua_close */

struct coroutines *coroutines_of(lua_State *); /* of the script whose state it is */

struct coroutine *coroutines_make(struct coroutines *);

/* One for a call, which push its function and what it takes on the thread. */
static inline struct coroutine *coroutines_take(struct coroutines *all)
{
    struct coroutine *co = all->idle;

    if (__builtin_expect(co == NULL, 0))
        return coroutines_make(all);
    all->idle = co->next;
    return co;
}

void coroutine_clean(struct coroutine *);   /* a call that has awaited is over */
void coroutines_let_go(struct coroutine *); /* there are enough idle ones */

enum { COROUTINES_IDLE_MAX = 64, COROUTINE_ANSWERS_MAX = 8 };

/* Its call has ended well. */
static inline void coroutines_give(struct coroutine *co)
{
    struct coroutines *all = co->all;

    /* The answers of a few calls, one number each, stay on the stack: cheaper than a pop each. */
    if (__builtin_expect(++co->answers == COROUTINE_ANSWERS_MAX, 0)) {
        lua_settop(co->thread, all->hooks_count);
        co->answers = 0;
    }
    if (__builtin_expect(co->has_awaited, 0)) { /* without that there is never more than one */
        coroutine_clean(co);
        if (all->count > COROUTINES_IDLE_MAX) {
            coroutines_let_go(co);
            return;
        }
    }
    co->next = all->idle;
    all->idle = co;
}

/* Throws it away, in any state: ends what it waits for, closes what it owns. */
void coroutines_drop(struct coroutine *);
/* It has yielded for co->awaits: keeps what its call had. The first time the deadline of the whole
 * call begins. */
void coroutine_wait(struct coroutine *);
/* What is allocated from here on is charged to the next that waits, or goes on waiting. */
void coroutines_begin(struct coroutines *);
void coroutine_charge(struct coroutine *);
/* Puts back what coroutine_wait has kept. */
void coroutine_wake(struct coroutine *);

#endif
