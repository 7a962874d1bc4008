/*
 * script - one loaded script: its Lua state, and which hooks it has.
 *
 * It knows how a script is run safely, and not what its hooks decide: that is the owner's, a
 * policy. A hook runs in a coroutine, so that it may await (script/await.h), within the
 * settings' bound on memory and, between two awaits, their budget of CPU time.
 */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include "base/buffer.h"
#include "base/check.h"
#include "config/config.h"
#include "net/loop.h"
#include "script/coroutines.h"
#include "shared/hooks.h"
#include "shared/segment.h"

#include <stdbool.h>

enum { SCRIPT_FINAL_CPU_MS = 1 };

struct script;

struct script_run { /* a call that may await; in place until its end, or script_cancel */
    /* From the loop: a call that awaited is over. The facts are what they were when it began. */
    void (*on_over)(struct script_run *, enum breach, double answer);
    struct coroutine *coroutine; /* NULL: it awaits nothing */
};

/* What the policy adds to a script. */
struct script_owner {
    struct coroutine_facts facts; /* arguments of calls, and parts of their answers */
    /* Pushes a table: a function `bind`, which makes the hooks from what the script returned, and
     * what script.c calls itself: `kept` and `forget_nesting`. Raises Lua errors. */
    void (*push_hooks)(lua_State *, void *facts);
};

/* Loads it and calls its init. Borrows all but the struct of the owner. Without a loop nothing may
 * await. NULL and a message if something is wrong. */
struct script *script_new(const struct config *, struct segment *, struct loop *,
                          const struct script_owner *, struct buffer *error) MUST_USE;
void script_free(struct script *); /* NULL is fine */
/* Frees its Lua state: it has no hook from now on. No call of it is under way, nor awaits. */
void script_close(struct script *);
bool script_has(const struct script *, enum hook);

/* The arguments are in the facts. *answer is the number that the hook returned. After a breach:
 * script_explain, then script_recover, before the next call. BREACH_PENDING: on_over has the
 * outcome; until then the facts serve other calls. */
enum breach script_call(struct script *, struct script_run *, enum hook, double *answer) MUST_USE;
/* Calls from here on, until this is taken back, have SCRIPT_FINAL_CPU_MS, and may not await. */
void script_make_final(struct script *, bool is_final);
static inline bool script_awaits(const struct script_run *run)
{
    return run->coroutine != NULL;
}
/* If the call awaits: for as long as it takes, not for script.await at most. */
void script_let_last(struct script_run *);
void script_cancel(struct script_run *); /* throws the call away, in silence; in any state */
/* What went wrong, with the script's line in front (where it was, or as near as is known:
 * where the hook begins). For BREACH_WRONG only the line. */
void script_explain(struct script *, enum hook, enum breach, struct buffer *message,
                    unsigned *line);
/* Did the script do that itself? Not if something that it awaited came late. */
bool script_is_to_blame(const struct script *, enum breach);
/* The CPU time of the call that went wrong last; 0: it was not stopped, or hardly took any. */
uint32_t script_stopped_us(const struct script *);
void script_trace(struct script *, struct buffer *traceback); /* how it got there */
void script_recover(struct script *, enum breach);

/* Outside of any call, and without its bound on memory: what the owner does in its state. */
bool script_do(struct script *, bool (*work)(lua_State *, void *), void *data) MUST_USE;
uint64_t script_gc_pause_us(const struct script *);   /* the longest stop for garbage */
void script_forget_vars(struct script *, int number); /* of a request: its place for ctx.vars */

#endif
