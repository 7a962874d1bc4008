/*
 * The registry holds, under the addresses of the keys below, the environment of
 * scripts and the prelude's table. Scripts see neither the registry nor the
 * globals of the state, which stay as the libraries left them.
 *
 * The collector. LuaJIT takes a step of it with what is allocated, wherever that is, and a large
 * table is traversed in one step: a call of a hook that did nothing special would use up its
 * budget. So it is stopped while calls run, and takes the same steps between them
 * (sandbox_collect_some):
 *
 *   rests until there is much more than was live, then   takes four bytes' work for each byte
 *   (sandbox_begin_rest)                                  allocated, until the cycle is over
 *
 * A call that allocates as if there were no end starts it again (RESTART_BYTES), as then the
 * bound on memory needs it.
 */
#include "lua/sandbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/embedded.h"
#include "lua/patterns.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* A cycle begins when memory has grown to this many percent of what was live after the
 * last one. With a large heap a small pause keeps the longest stop at a few ms, as
 * measured; with a small one it would only mark the same objects over and over. */
enum { GC_PAUSE_SMALL = 400, GC_PAUSE_LARGE = 110, GC_STEP = 400, GC_SMALL_BYTES = 2 << 20 };

/* Garbage of so many bytes is worth a look; of so many in one call the collector does not wait
 * for its end. */
enum { STEP_BYTES = 16 << 10, RESTART_BYTES = 4 << 20 };

enum { RUN_CHECK_INSTRUCTIONS = 5000 };

struct sandbox { /* the allocator's */
    struct sandbox_heap heap;
    lua_State *lua;
    uint64_t restart_bytes; /* of all that is allocated: then the collector runs by itself */
    uint64_t stepped_bytes; /* likewise: when the last step was taken */
    bool is_collecting;     /* a cycle has begun */
    bool is_restarted;      /* the collector has, within a call */
    uint64_t memory_bytes;  /* the bound at opening, whatever it is lifted to meanwhile */
    uint64_t limit_bytes;
    void (*offer)(lua_State *);
    void (*on_full)(void *data);
    void *on_full_data;
    uint64_t run_until_us; /* of the thread's CPU time, during sandbox_run */
    bool ran_out;
    char run_place[LUA_IDSIZE + 16]; /* "balancer.lua:7: ", where it was then */
    const void *notes[SANDBOX_NOTES];
};

static char environment_key, prelude_key, stopped_value;

int32_t sandbox_nested;

void *sandbox_stopped(void)
{
    return &stopped_value;
}

static struct sandbox *sandbox_of(lua_State *lua)
{
    void *sandbox;

    lua_getallocf(lua, &sandbox);
    return sandbox;
}

static bool may_exceed(struct sandbox *sandbox, uint64_t used)
{
    if (sandbox->on_full == NULL || used > 2 * sandbox->limit_bytes)
        return false;
    sandbox->on_full(sandbox->on_full_data);
    return true;
}

/* The collector takes its next step when the allocation is done, of as much work as fits that: by
 * itself it takes the same for a byte and for a megabyte. Only numbers are set here. */
static void collect_within_call(struct sandbox *sandbox, size_t bytes)
{
    size_t kilobytes = bytes >> 10 < 1                     ? 1
                       : bytes >> 10 > RESTART_BYTES >> 10 ? RESTART_BYTES >> 10
                                                           : bytes >> 10;

    if (!sandbox->is_restarted)
        lua_gc(sandbox->lua, LUA_GCRESTART, 0);
    sandbox->is_restarted = true;
    lua_gc(sandbox->lua, LUA_GCSETSTEPMUL, GC_STEP * (int)kilobytes);
}

static void *allocate(void *owner, void *old, size_t old_bytes, size_t bytes)
{
    struct sandbox *sandbox = owner;
    uint64_t used = sandbox->heap.used_bytes - old_bytes + bytes;
    void *block;

    if (bytes == 0) {
        free(old);
        sandbox->heap.used_bytes = used;
        return NULL;
    }
    if (bytes > old_bytes && sandbox->limit_bytes != 0 && used > sandbox->limit_bytes &&
        !may_exceed(sandbox, used))
        return NULL;
    block = old == NULL ? malloc(bytes) : realloc(old, bytes);
    if (block == NULL)
        return NULL;
    sandbox->heap.used_bytes = used;
    if (bytes <= old_bytes)
        return block;
    sandbox->heap.allocated_bytes += bytes - old_bytes;
    if (__builtin_expect(sandbox->heap.allocated_bytes > sandbox->restart_bytes, 0))
        collect_within_call(sandbox, bytes - old_bytes);
    return block;
}

static int on_panic(lua_State *lua)
{
    const char *message = lua_tostring(lua, -1);

    log_event(LOG_ERROR, "lua_panic", NULL, "Lua failed outside of a protected call: %s",
              message ? message : "(no message)");
    log_flush();
    abort();
}

static void open_library(lua_State *lua, const char *name, lua_CFunction open)
{
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 1);
}

static void open_libraries(lua_State *lua)
{
    static const struct {
        const char *name;
        lua_CFunction open;
    } libraries[] = {
        {"", luaopen_base},
        {LUA_TABLIBNAME, luaopen_table},
        {LUA_STRLIBNAME, luaopen_string},
        {LUA_MATHLIBNAME, luaopen_math},
        {LUA_BITLIBNAME, luaopen_bit},
        {LUA_OSLIBNAME, luaopen_os},
        {LUA_DBLIBNAME, luaopen_debug}, /* for the prelude, not for scripts */
        {LUA_JITLIBNAME, luaopen_jit},  /* opening it turns the compiler on */
    };

    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        open_library(lua, libraries[i].name, libraries[i].open);
        lua_pop(lua, 1);
    }
}

void sandbox_push_chunk(lua_State *lua, struct slice source, const char *name)
{
    if (luaL_loadbufferx(lua, source.start, source.length, name, "t") != 0)
        lua_error(lua);
}

/* Files that add to the environment, each with what it needs of C: the prelude calls the
 * functions in this list with its own table, the table of `lb`, and the environment. */
static void push_parts(lua_State *lua)
{
    static const struct {
        struct slice (*source)(void);
        const char *name;
    } parts[] = {
        {embedded_modules, "=lb modules"}, {embedded_turns, "=lb turns"},
        {embedded_shared, "=lb shared"},   {embedded_policies, "=lb policies"},
        {embedded_texts, "=lb texts"},     {embedded_json, "=lb json"},
        {embedded_await, "=lb await"},     {embedded_clients, "=lb clients"},
        {embedded_codes, "=lb codes"},     {embedded_signatures, "=lb signatures"},
        {embedded_series, "=lb series"},
    };

    lua_newtable(lua);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        sandbox_push_chunk(lua, parts[i].source(), parts[i].name);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    sandbox_of(lua)->offer(lua);
}

/* strings.lua's arguments are ffi and the value of stopped calls. The prelude's: ffi,
 * the segment, that value, the two that strings.lua returned, the parts. It returns the
 * environment and its own table. */
static int open_inside(lua_State *lua)
{
    struct segment *segment = lua_touserdata(lua, 1);

    open_libraries(lua);
    sandbox_push_chunk(lua, embedded_prelude(), "=lb prelude");
    open_library(lua, LUA_FFILIBNAME, luaopen_ffi);
    lua_getfield(lua, LUA_REGISTRYINDEX, "_LOADED");
    lua_pushnil(lua);
    lua_setfield(lua, -2, LUA_FFILIBNAME); /* only the prelude gets it */
    lua_pop(lua, 1);
    lua_pushlightuserdata(lua, segment);
    lua_pushlightuserdata(lua, &stopped_value);
    sandbox_push_chunk(lua, embedded_strings(), "=lb strings");
    lua_pushvalue(lua, -4); /* ffi */
    lua_pushvalue(lua, -3);
    lua_call(lua, 2, 2);
    push_parts(lua);
    lua_call(lua, 6, 2);
    lua_pushlightuserdata(lua, &prelude_key);
    lua_insert(lua, -2);
    lua_rawset(lua, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(lua, &environment_key);
    lua_insert(lua, -2);
    lua_rawset(lua, LUA_REGISTRYINDEX);
    return 0;
}

lua_State *sandbox_open(struct segment *segment, uint64_t memory_bytes, void (*offer)(lua_State *))
{
    struct sandbox *sandbox = mem_zalloc(sizeof *sandbox);
    lua_State *lua;

    CHECK(segment != NULL);
    sandbox->offer = offer;
    sandbox->memory_bytes = sandbox->limit_bytes = memory_bytes;
    sandbox->heap.due_bytes = sandbox->restart_bytes = UINT64_MAX; /* it runs by itself */
    lua = lua_newstate(allocate, sandbox);
    if (lua == NULL) {
        mem_free(sandbox);
        return NULL;
    }
    sandbox->lua = lua;
    lua_atpanic(lua, on_panic);
    switch (lua_cpcall(lua, open_inside, segment)) {
    case 0:
        break;
    case LUA_ERRMEM:
        sandbox_close(lua);
        return NULL;
    default: /* the prelude is ours: a mistake in it is one of the program */
        return on_panic(lua), NULL;
    }
    lua_gc(lua, LUA_GCSETSTEPMUL, GC_STEP);
    lua_gc(lua, LUA_GCSETPAUSE, GC_PAUSE_SMALL);
    return lua;
}

void sandbox_close(lua_State *lua)
{
    struct sandbox *sandbox;

    if (lua == NULL)
        return;
    sandbox = sandbox_of(lua);
    lua_close(lua);
    mem_free(sandbox);
}

int sandbox_load(lua_State *lua, const char *name, struct slice source)
{
    char chunk[SANDBOX_NAME_MAX + sizeof "@"];
    int result;

    snprintf(chunk, sizeof chunk, "@%s", name);
    result = luaL_loadbufferx(lua, source.start, source.length, chunk, "t");
    if (result != 0)
        return result;
    lua_pushlightuserdata(lua, &environment_key);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    lua_setfenv(lua, -2);
    return 0;
}

/* It may be below functions of the prelude. */
bool sandbox_find_line(lua_State *lua, lua_Debug *frame)
{
    for (int level = 0; lua_getstack(lua, level, frame) == 1; level++)
        if (lua_getinfo(lua, "Sl", frame) != 0 && frame->currentline > 0 && frame->source[0] == '@')
            return true;
    return false;
}

static void keep_place(lua_State *lua, struct sandbox *sandbox)
{
    lua_Debug frame;

    if (sandbox_find_line(lua, &frame))
        snprintf(sandbox->run_place, sizeof sandbox->run_place, "%s:%d: ", frame.short_src,
                 frame.currentline);
}

/* From the first time that it is too late an error at every instruction, or a
 * pcall in a loop would swallow them all; and with the value that the scripts'
 * xpcall shows to no handler, as nothing could end a handler that loops. */
static void on_instructions(lua_State *lua, lua_Debug *unused)
{
    struct sandbox *sandbox = sandbox_of(lua);

    (void)unused;
    if (!sandbox->ran_out && clock_thread_us() < sandbox->run_until_us)
        return;
    if (!sandbox->ran_out) {
        keep_place(lua, sandbox);
        lua_sethook(lua, on_instructions, LUA_MASKCOUNT, 1);
    }
    sandbox->ran_out = true;
    lua_pushlightuserdata(lua, &stopped_value);
    lua_error(lua);
}

static void push_ran_out(lua_State *lua, struct sandbox *sandbox)
{
    uint64_t limit_bytes = sandbox->limit_bytes;

    sandbox->limit_bytes = 0; /* not protected here */
    lua_pushfstring(lua, "%sdid not end in the time that a script has to load", sandbox->run_place);
    sandbox->limit_bytes = limit_bytes;
}

int sandbox_run(lua_State *lua, int results, unsigned cpu_ms)
{
    struct sandbox *sandbox = sandbox_of(lua);
    int result;

    sandbox->run_until_us = clock_thread_us() + cpu_ms * 1000u;
    sandbox->run_place[0] = '\0';
    sandbox->ran_out = false;
    sandbox_nested = 0;
    /* Compiled code does not look at this hook. */
    luaJIT_setmode(lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_sethook(lua, on_instructions, LUA_MASKCOUNT, RUN_CHECK_INSTRUCTIONS);
    patterns_stop_at(sandbox->run_until_us);
    result = lua_pcall(lua, 0, results, 0);
    patterns_stop_at(0);
    lua_sethook(lua, NULL, 0, 0);
    luaJIT_setmode(lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_ON);
    if (result != 0 && sandbox->ran_out) {
        lua_pop(lua, 1);
        push_ran_out(lua, sandbox);
    }
    return result;
}

void sandbox_push_prelude(lua_State *lua)
{
    lua_pushlightuserdata(lua, &prelude_key);
    lua_rawget(lua, LUA_REGISTRYINDEX);
}

void sandbox_push_of_prelude(lua_State *lua, const char *name)
{
    sandbox_push_prelude(lua);
    lua_getfield(lua, -1, name);
    lua_remove(lua, -2);
}

const void **sandbox_note(lua_State *lua, enum sandbox_note note)
{
    return &sandbox_of(lua)->notes[note];
}

void sandbox_limit_memory(lua_State *lua, uint64_t memory_bytes)
{
    sandbox_of(lua)->limit_bytes = memory_bytes;
}

void sandbox_on_full(lua_State *lua, void (*on_full)(void *data), void *data)
{
    sandbox_of(lua)->on_full = on_full;
    sandbox_of(lua)->on_full_data = data;
}

struct sandbox_heap *sandbox_heap(lua_State *lua)
{
    return &sandbox_of(lua)->heap;
}

/* There is nothing to do until so much more is allocated. */
static void rest(struct sandbox *sandbox, uint64_t bytes)
{
    uint64_t share = sandbox->memory_bytes / 8;
    uint64_t short_bytes = sandbox_short_bytes(sandbox->memory_bytes);

    if (sandbox->heap.used_bytes < short_bytes && bytes > short_bytes - sandbox->heap.used_bytes)
        bytes = short_bytes - sandbox->heap.used_bytes; /* shortage_look asks then */
    sandbox->stepped_bytes = sandbox->heap.allocated_bytes;
    sandbox->heap.due_bytes = sandbox->heap.allocated_bytes + bytes;
    sandbox->restart_bytes =
        sandbox->heap.due_bytes + (share > 0 && share < RESTART_BYTES ? share : RESTART_BYTES);
    sandbox->is_restarted = false;
    lua_gc(sandbox->lua, LUA_GCSETSTEPMUL, GC_STEP);
    lua_gc(sandbox->lua, LUA_GCSTOP, 0);
}

/* What is there is live. The next cycle begins early enough to end within the bound: until then a
 * quarter of the live data may be allocated. */
static void begin_rest(struct sandbox *sandbox)
{
    uint64_t live = sandbox->heap.used_bytes, limit = sandbox->memory_bytes;
    uint64_t pause = live < GC_SMALL_BYTES ? GC_PAUSE_SMALL : GC_PAUSE_LARGE;
    uint64_t bytes = live / 100 * (pause - 100);

    if (limit > 0 && live + bytes > limit / 2)
        bytes = live < limit / 2 ? limit / 2 - live : live / 10;
    sandbox->is_collecting = false;
    sandbox->heap.cycles++;
    rest(sandbox, bytes < STEP_BYTES ? STEP_BYTES : bytes);
}

void sandbox_collect_between_calls(lua_State *lua)
{
    begin_rest(sandbox_of(lua));
}

uint64_t sandbox_collect(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    uint64_t begun_us = clock_thread_us();

    lua_gc(lua, LUA_GCCOLLECT, 0);
    malloc_trim(0); /* or what a script once took would be the process's for ever */
    if (sandbox->heap.due_bytes != UINT64_MAX)
        begin_rest(sandbox);
    return clock_thread_us() - begun_us;
}

uint64_t sandbox_collect_some(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    uint64_t begun_us = clock_thread_us(), limit_bytes = sandbox->limit_bytes;
    uint64_t bytes = sandbox->is_collecting ? sandbox->heap.allocated_bytes - sandbox->stepped_bytes
                                            : STEP_BYTES;

    if (sandbox->memory_bytes > 0 && sandbox->heap.used_bytes > sandbox->memory_bytes / 2)
        bytes *= 4;            /* there is less time to the end of a cycle */
    if (bytes > RESTART_BYTES) /* from there on it has run by itself */
        bytes = RESTART_BYTES;
    sandbox->is_collecting = true;
    sandbox->limit_bytes = 0; /* not protected here, and it may take a little itself */
    if (lua_gc(lua, LUA_GCSTEP, (int)(bytes >> 10)) != 0)
        begin_rest(sandbox);
    else
        rest(sandbox, STEP_BYTES);
    sandbox->limit_bytes = limit_bytes;
    return clock_thread_us() - begun_us;
}

double sandbox_now(void)
{
    return (double)clock_steady_us() / 1e6;
}

const char *sandbox_library_version(void)
{
    return LUAJIT_VERSION;
}
