/*
 * sandbox - a Lua state that has what scripts may use, and nothing else.
 *
 * Opening one runs lua/prelude.lua, which builds the scripts' environment (string, table, math,
 * bit, os.getenv, os.time, os.clock, lb, ...) and keeps the FFI to itself. The same prelude serves
 * the loading of settings and the workers, so `lb` is one thing everywhere.
 */
#ifndef LUA_SANDBOX_H
#define LUA_SANDBOX_H

#include "base/check.h"
#include "base/slice.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment;

/* For sandbox_run of a script: reading files, building tables. A million keys take over 1 s. */
enum { SANDBOX_LOAD_CPU_MS = 3000, SANDBOX_NAME_MAX = 254 /* bytes of a script's name */ };

/* NULL if there is no memory. Borrows the segment (shared/segment.h), which holds the counters.
 * memory_bytes bounds what the state may allocate; 0: no bound. offer adds what lua/modules.h
 * has to the table on top of the stack; it may raise Lua errors. */
lua_State *sandbox_open(struct segment *, uint64_t memory_bytes,
                        void (*offer)(lua_State *)) MUST_USE;
void sandbox_close(lua_State *); /* NULL is fine */

/* Compiles a script from its source (never from bytecode) under that name, in the scripts'
 * environment, and pushes it. 0, or Lua's code and the message pushed. */
int sandbox_load(lua_State *, const char *name, struct slice source) MUST_USE;
/* Calls the function on top of the stack without arguments, like lua_pcall, and stops it once it
 * has used that much CPU time (interpreted: a check every few thousand instructions). 0, or Lua's
 * code and the message pushed. */
int sandbox_run(lua_State *, int results, unsigned cpu_ms) MUST_USE;
/* Compiles a part of the program and pushes its function. Raises Lua errors. */
void sandbox_push_chunk(lua_State *, struct slice source, const char *name);
/* Pushes the table that lua/prelude.lua returned: what C and hooks need of it. */
void sandbox_push_prelude(lua_State *);
void sandbox_push_of_prelude(lua_State *, const char *name); /* one field of it */

/* What others know of a state, by the state; NULL at first. Borrowed. */
enum sandbox_note { SANDBOX_MODULES, SANDBOX_COROUTINES, SANDBOX_MONITOR, SANDBOX_NOTES };
const void **sandbox_note(lua_State *, enum sandbox_note);

/* Another bound than at opening; 0: none. Memory errors outside of a protected call end the
 * process, so lift the bound before a bare call of Lua's C functions. */
void sandbox_limit_memory(lua_State *, uint64_t memory_bytes);
/* Reports every allocation beyond the bound, and grants it, up to twice the bound: on_full stops
 * the script at its next line. A NULL from the allocator in the middle of compiled code can break
 * the stack of older LuaJITs (2.1 of 2022: lj_err_mem goes by a stale L->base). Without an on_full
 * the bound is where memory ends. */
void sandbox_on_full(lua_State *, void (*on_full)(void *data), void *data);
/* Collects all garbage now and gives the memory back to the system; returns the CPU time in us. */
uint64_t sandbox_collect(lua_State *);

struct sandbox_heap {
    uint64_t used_bytes;      /* now */
    uint32_t cycles;          /* of the collector, that have ended between calls */
    uint64_t allocated_bytes; /* in all, whatever was freed */
    uint64_t due_bytes;       /* when it is that much sandbox_collect_some has something to do */
};

/* From now on garbage is collected between calls: ask sandbox_is_due after each. */
void sandbox_collect_between_calls(lua_State *);
struct sandbox_heap *sandbox_heap(lua_State *); /* as long as the state */
static inline bool sandbox_is_due(const struct sandbox_heap *heap)
{
    return __builtin_expect(heap->allocated_bytes >= heap->due_bytes, 0);
}
/* With so many bytes the bound is nearly reached; sandbox_is_due is true then at once. */
static inline uint64_t sandbox_short_bytes(uint64_t memory_bytes)
{
    return memory_bytes > 0 ? memory_bytes / 4 * 3 : UINT64_MAX;
}
uint64_t sandbox_collect_some(lua_State *); /* a step; the CPU time, in us, that it took */

/* The innermost line of a script that runs in that thread, or has failed in it: frame->source, with
 * an "@" in front, and frame->currentline. False: none is known. Allocates nothing. */
bool sandbox_find_line(lua_State *, lua_Debug *frame);

/* The error value of a call that was stopped, whatever the reason. */
void *sandbox_stopped(void);

const char *sandbox_library_version(void); /* of LuaJIT */

/* --- for lua/prelude.lua, which calls them by name --- */

double sandbox_now(void); /* steady clock, seconds */
/* How many pcall and xpcall the running call is in. It is kept, and set to 0, when another call
 * runs meanwhile; what is cut short leaves a number behind. */
extern int32_t sandbox_nested;

#endif
