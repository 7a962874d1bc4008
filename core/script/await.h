/*
 * await - lets a C function that a script calls wait without blocking the worker.
 *
 * Such a function is a lua_CFunction that registers an operation with the running call and yields.
 * When the operation is over, the call continues with its results, from the loop. script/sleep.c is
 * the shortest example:
 *
 *   static int sleep_call(lua_State *lua)          registered with await_offer
 *   {
 *       await_check(lua, "lb.sleep");              may it await here? else an error
 *       ... check the arguments: may raise errors, so nothing is allocated yet
 *       ... start the operation, with a struct await embedded in it
 *       return await_begin(lua, &operation->await);
 *   }
 *
 *   ... and from the loop, never from inside a call of a script:
 *       lua_State *lua = await_stack(&operation->await);
 *       lua_pushstring(lua, "what the function returns");
 *       ... forget the operation, which cannot be cancelled any more
 *       await_end(&operation->await, 1);           last: anything may happen in it
 *
 * One call awaits one operation at a time. It ends once: by await_end, or in silence by its cancel,
 * when the call is thrown away: the client has left, the request's deadline or script.await has
 * passed, the worker ends. A function that has its result at once returns it and does not begin to
 * await.
 */
#ifndef SCRIPT_AWAIT_H
#define SCRIPT_AWAIT_H

#include "script/coroutines.h"

#include <lua.h>
#include <stdbool.h>

/* Gives scripts the function: prelude.host[name], for core/lua/await.lua and clients.lua. Within a
 * protected call. */
void await_offer(lua_State *, const char *name, lua_CFunction);
/* The same for a function whose upvalue is the owner, a light userdata. */
void await_offer_to(lua_State *, const char *name, lua_CFunction, void *owner);

/* The functions that await, for the scripts of this state. Within a protected call. */
void sleep_offer(lua_State *);       /* lb.sleep */
void tcp_client_offer(lua_State *);  /* lb.tcp */
void http_client_offer(lua_State *); /* lb.http */
struct script;
void dns_client_offer(lua_State *, struct script *); /* lb.dns */
void http_lines_offer(lua_State *);                  /* lb.http.lines */
/* If no more connections may be opened, closes connections that the script no longer has. */
void tcp_client_make_room(lua_State *);

/* --- in the function; all raise Lua errors, at the script's line --- */

/* Call this first: may what is running await? Not while a script is loaded or in its init, not in
 * a coroutine of its own, not inside a callback of table.sort. what: "lb.sleep". */
void await_check(lua_State *, const char *what);
/* What the C function returns: it yields. Raises nothing after a successful await_check. */
int await_begin(lua_State *, struct await *);
struct loop *await_loop(lua_State *);              /* after await_check */
void await_own(lua_State *, struct await_owned *); /* closed when the script is */

/* --- from the loop --- */

/* To push results on: at most LUA_MINSTACK. The script's memory is unbounded from here on until
 * await_end, which follows in the same event. */
lua_State *await_stack(struct await *);
/* The call continues with so many results. It may run to its end, and the exchange with it: what
 * was borrowed from there may be gone. The await itself is not touched any more, so its operation
 * may be freed after this, or be part of something that the call closes. */
void await_end(struct await *, int results);
/* Is a call waiting for it? */
static inline bool await_is_begun(const struct await *await)
{
    return await->coroutine != NULL;
}

#endif
