/*
 * coroutines - what the hooks of one script run in, used again and again.
 *
 * A coroutine's stack holds the hooks' functions at its bottom, and above them, during a call, what
 * runs. A coroutine that has finished well is used for the next call; after an error, a stop or a
 * cancel it is thrown away. While one awaits, others run: the facts of its call, which all calls of
 * the script have in the same place, are kept with the coroutine and put back before it continues.
 */
#ifndef SCRIPT_COROUTINES_H
#define SCRIPT_COROUTINES_H

#include "base/list.h"
#include "net/deadline.h"
#include "shared/hooks.h"

#include <lua.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coroutine;
struct sandbox_heap;

/* What a coroutine waits for: embedded in an operation, which stays in place until it is over;
 * script/await.h has its functions. */
struct await {
    void (*cancel)(struct await *); /* end the operation, in silence, and free it */
    bool is_wish;                /* it takes as long as the script has said, and no peer's time */
    struct coroutine *coroutine; /* that waits; NULL: none (any more) */
};

/* Something that is open, a connection, and does not outlive the script. close is called once,
 * when it is in the list no more; list_remove(&owned->node) is how its owner ends it earlier. */
struct await_owned {
    void (*close)(struct await_owned *);
    struct list_node node;
};

/* What the running call reads and writes; the policy knows what it is. */
struct coroutine_facts {
    void *now;    /* in place as long as the script */
    size_t bytes; /* all are 0 once the call awaits */
};

enum { COROUTINES_IDLE_MAX = 64, COROUTINE_ANSWERS_MAX = 8 };

struct coroutine {
    struct coroutines *all;
    lua_State *thread;
    int held;         /* its reference */
    uint8_t answers;  /* on the stack, above the hooks */
    bool has_awaited; /* in this call: what is below has been used */
    bool is_waiting;
    struct coroutine *next;   /* in the stack of idle ones */
    struct await *awaits;     /* what it waits for; NULL: it runs, or is idle */
    void *run;                /* whose call it is: struct script_run */
    int32_t nested;           /* sandbox_nested, while it waits */
    uint64_t held_bytes;      /* allocated in the call before it waited: it may hold so much */
    struct deadline deadline; /* of the whole call, by script.await */
    struct list_node node;    /* among those that wait */
    alignas(max_align_t) unsigned char facts[]; /* of its call, while it waits */
};

struct coroutines {
    lua_State *lua;
    struct coroutine_facts facts;
    struct coroutine *running; /* NULL: none */
    struct coroutine *idle;    /* a stack: the one used last is warm */
    unsigned count;            /* of all, whatever they do */
    struct list_node waiting;
    uint64_t held_bytes;             /* by those together */
    uint64_t begun_bytes;            /* of the state, when what runs began to */
    const struct sandbox_heap *heap; /* of the state */
    struct list_node owned;          /* struct await_owned */
    struct loop *loop;               /* NULL: nothing may await (yet) */
    bool may_not_await;              /* what runs is over when it returns, and not later */
    uint64_t await_ms;               /* a call lasts so long at most */
    uint64_t memory_bytes;           /* the script's bound */
    const int *hooks; /* references to functions; their positions on the stack from 1 */
    int hooks_count;
    void (*go_on)(struct coroutine *, int results); /* its operation is over */
    /* A call that waits will not continue: script.await has passed, or memory is short. The last
     * thing that is done. */
    void (*end_waiting)(struct coroutine *, enum breach);
};

/* Borrows all. The loop is to be set when calls may await. Within a protected call. */
void coroutines_init(struct coroutines *, lua_State *, const int *hooks, int hooks_count);
void coroutines_dispose(struct coroutines *); /* throws away all that wait; before lua_close */

struct coroutines *coroutines_of(lua_State *); /* of the script whose state it is */

struct coroutine *coroutines_make(struct coroutines *);

/* For a call: push its function and what it takes on the thread. */
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
/* What is allocated from here on is charged to the next coroutine that waits, or still waits. */
void coroutines_begin(struct coroutines *);
void coroutine_charge(struct coroutine *);
/* Puts back what coroutine_wait has kept. */
void coroutine_wake(struct coroutine *);

#endif
