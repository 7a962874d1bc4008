/*
 * A call of a hook, and of a timer:
 *
 *   script_call ---> runs ---- returns -------------------------> BREACH_NONE
 *                    |  ^ `--- raises, is stopped, yields ------> broken, until script_recover
 *          it awaits |  | await_end
 *                    v  |
 *                    waits ---- too long, or memory is short ---> broken
 *                         `---- script_cancel ------------------> thrown away, in silence
 *
 * The outcome is what script_call returns; if that was BREACH_PENDING, on_over has it later.
 * script_slice is the part from one await to the next: a coroutine of coroutines.c runs under
 * budget.c, and await.c continues it. shortage.c ends calls that wait, explain.c says what went
 * wrong, and script/breaches.c, for the owner, what becomes of that.
 */
#include "script/script.h"

#include "base/mem.h"
#include "dial/dns.h"
#include "lua/modules.h"
#include "lua/sandbox.h"
#include "script/await.h"
#include "script/script_inside.h"

#include <lauxlib.h>

enum { INIT_CPU_MS = 1000 };

bool script_has(const struct script *script, enum hook hook)
{
    return script->hooks[hook] != LUA_REFNIL;
}

/* --- calling --- */

/* What the call has made so far is charged before some of it is collected. */
static __attribute__((noinline)) void script_tidy(struct script *script, struct coroutine *co)
{
    coroutine_charge(co);
    shortage_note_pause(&script->shortage, sandbox_collect_some(script->lua));
    coroutines_begin(&script->coroutines);
    shortage_look(&script->shortage);
}

/* From one await to the next, or to the end. */
static inline __attribute__((always_inline)) enum breach script_slice(struct script *script,
                                                                      struct script_run *run,
                                                                      struct coroutine *co,
                                                                      int arguments, double *answer)
{
    enum budget_stop stop;
    int result;

    script->coroutines.running = co;
    coroutines_begin(&script->coroutines);
    result = budget_resume(script->budget, co->thread, arguments, &stop);
    script->coroutines.running = NULL;
    if (script->coroutines.loop != NULL)
        loop_note_work(script->coroutines.loop);
    script->was_stopped = stop != BUDGET_KEPT;
    if (sandbox_is_due(script->coroutines.heap))
        script_tidy(script, co);
    if (__builtin_expect(result == 0 && !script->was_stopped, 1)) {
        *answer = lua_tonumber(co->thread, -1);
        coroutines_give(co);
        return BREACH_NONE;
    }
    if (result == LUA_YIELD && !script->was_stopped && co->awaits != NULL) {
        co->run = run;
        run->coroutine = co;
        coroutine_wait(co);
        return BREACH_PENDING;
    }
    script->broken = co;
    script->was_too_long = script->was_refused = false;
    coroutine_charge(co);
    script->was_crowded = shortage_is_of_others(&script->shortage, co);
    if (script->was_stopped)
        return stop == BUDGET_TIME ? BREACH_TIMED_OUT : BREACH_NO_MEMORY;
    return result == LUA_YIELD    ? BREACH_YIELDED
           : result == LUA_ERRMEM ? BREACH_NO_MEMORY
                                  : BREACH_RAISED;
}

enum breach script_call(struct script *script, struct script_run *run, enum hook hook,
                        double *answer)
{
    struct coroutine *co = coroutines_take(&script->coroutines);

    co->held_bytes = 0;
    lua_pushvalue(co->thread, (int)hook + 1);
    return script_slice(script, run, co, 0, answer);
}

static void script_go_on(struct coroutine *co, int results)
{
    struct script *script = list_entry(co->all, struct script, coroutines);
    struct script_run *run = co->run;
    double answer = 0;
    enum breach breach;

    coroutine_wake(co);
    run->coroutine = NULL;
    breach = script_slice(script, run, co, results, &answer);
    if (breach != BREACH_PENDING)
        run->on_over(run, breach, answer);
}

/* Its end is reported, as the last thing. */
static void script_end_waiting(struct coroutine *co, enum breach breach)
{
    struct script *script = list_entry(co->all, struct script, coroutines);
    struct script_run *run = co->run;

    coroutine_wake(co);
    run->coroutine = NULL;
    script->broken = co;
    script->was_stopped = false;
    script->was_too_long = breach == BREACH_TIMED_OUT;
    script->was_refused = breach == BREACH_NO_MEMORY;
    script->was_wish = co->awaits != NULL && co->awaits->is_wish;
    run->on_over(run, breach, 0);
}

bool script_is_to_blame(const struct script *script, enum breach breach)
{
    if (breach == BREACH_NO_MEMORY)
        return !script->was_refused && !script->was_crowded;
    return breach != BREACH_TIMED_OUT || !script->was_too_long || script->was_wish;
}

uint32_t script_stopped_us(const struct script *script)
{
    return script->was_stopped ? budget_used_us() : 0;
}

void script_cancel(struct script_run *run)
{
    struct coroutine *co = run->coroutine;

    run->coroutine = NULL;
    if (co != NULL)
        coroutines_drop(co);
}

void script_let_last(struct script_run *run)
{
    if (run->coroutine != NULL)
        deadline_clear(&run->coroutine->deadline);
}

uint64_t script_gc_pause_us(const struct script *script)
{
    return script->shortage.longest_pause_us;
}

void script_recover(struct script *script, enum breach breach)
{
    uint64_t memory = script->config->script_limits.memory;

    sandbox_limit_memory(script->lua, 0);
    coroutines_drop(script->broken);
    script->broken = NULL;
    sandbox_nested = 0;
    lua_rawgeti(script->lua, LUA_REGISTRYINDEX, script->forget_nesting);
    if (lua_pcall(script->lua, 0, 0, 0) != 0)
        lua_pop(script->lua, 1);
    /* A call that was stopped for its time may have left the heap nearly full of garbage,
     * and the next one would pay for that. */
    if (breach == BREACH_NO_MEMORY ||
        (memory > 0 && script->coroutines.heap->used_bytes > memory / 2))
        (void)shortage_collect(&script->shortage);
    sandbox_limit_memory(script->lua, memory);
}

void script_forget_vars(struct script *script, int number)
{
    lua_State *lua = script->lua;

    lua_rawgeti(lua, LUA_REGISTRYINDEX, script->kept);
    lua_rawgeti(lua, -1, 0);
    lua_rawseti(lua, -2, number);
    lua_pushnumber(lua, number);
    lua_rawseti(lua, -2, 0);
    lua_pop(lua, 1);
}

bool script_do(struct script *script, bool (*work)(lua_State *, void *), void *data)
{
    bool is_done;

    sandbox_limit_memory(script->lua, 0);
    is_done = work(script->lua, data);
    sandbox_limit_memory(script->lua, script->config->script_limits.memory);
    return is_done;
}

/* --- loading --- */

static int push_hooks_inside(lua_State *lua)
{
    void **arguments = lua_touserdata(lua, 1);
    struct script *script = arguments[0];
    const struct script_owner *owner = arguments[1];

    owner->push_hooks(lua, owner->facts.now);
    lua_getfield(lua, -1, "kept");
    script->kept = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_getfield(lua, -1, "forget_nesting");
    script->forget_nesting = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_getfield(lua, -1, "follow");
    lua_setfield(lua, LUA_REGISTRYINDEX, "lb follow");
    lua_getfield(lua, -1, "bind");
    lua_setfield(lua, LUA_REGISTRYINDEX, "lb bind");
    coroutines_init(&script->coroutines, lua, script->hooks, HOOKS);
    sleep_offer(lua);
    tcp_client_offer(lua);
    http_client_offer(lua);
    dns_client_offer(lua, script);
    http_lines_offer(lua);
    return 0;
}

static void note_definition(struct script *script, lua_State *lua, int hook)
{
    lua_Debug function;

    lua_pushstring(lua, hook_name((enum hook)hook));
    lua_rawget(lua, 2);
    if (lua_istable(lua, -1)) { /* health = { check = function .. } */
        lua_pushliteral(lua, "check");
        lua_rawget(lua, -2);
        lua_remove(lua, -2);
    }
    if (!lua_isfunction(lua, -1)) { /* the timers' is none of the script's */
        lua_pop(lua, 1);
        return;
    }
    lua_getinfo(lua, ">S", &function);
    if (function.linedefined <= 0 || function.source[0] != '@')
        return;
    script->hook_lines[hook] = (unsigned)function.linedefined;
    script->hook_files[hook] = function.source + 1;
}

/* The table that the script returned is argument 2: binds its hooks. */
static int bind_inside(lua_State *lua)
{
    struct script *script = lua_touserdata(lua, 1);

    lua_getfield(lua, LUA_REGISTRYINDEX, "lb bind");
    lua_pushvalue(lua, 2);
    lua_call(lua, 1, 1);
    for (int hook = 0; hook < HOOKS; hook++) {
        lua_getfield(lua, 3, hook_name((enum hook)hook));
        script->hooks[hook] = luaL_ref(lua, LUA_REGISTRYINDEX);
        if (script_has(script, (enum hook)hook))
            note_definition(script, lua, hook);
    }
    return 0;
}

/* Leaves what the script returned, or a message, on the stack. The modules are those that
 * were read when the script was checked. */
static bool script_run(lua_State *lua, const struct config *config)
{
    const struct modules modules = {.given = &config->modules};
    bool is_fine;

    modules_allow(lua, &modules);
    is_fine = sandbox_load(lua, config->script_path,
                           (struct slice){config->script, config->script_bytes}) == 0 &&
              sandbox_run(lua, 1, SANDBOX_LOAD_CPU_MS) == 0;
    modules_allow(lua, NULL);
    return is_fine;
}

static bool script_load(struct script *script, const struct script_owner *owner)
{
    const struct config *config = script->config;
    lua_State *lua = script->lua;
    void *arguments[] = {script, (void *)(uintptr_t)owner};

    if (lua_cpcall(lua, push_hooks_inside, arguments) != 0)
        return false;
    lua_pushcfunction(lua, bind_inside);
    lua_pushlightuserdata(lua, script);
    if (!script_run(lua, config))
        return false;
    return lua_pcall(lua, 2, 0, 0) == 0;
}

static void script_allow_cpu(struct script *script, uint64_t cpu_ms)
{
    script->cpu_ms = cpu_ms;
    if (script->config->script_limits.budget_ms > 0)
        budget_set(script->budget, cpu_ms);
}

void script_make_final(struct script *script, bool is_final)
{
    script->coroutines.may_not_await = is_final;
    script_allow_cpu(script,
                     is_final ? SCRIPT_FINAL_CPU_MS : script->config->script_limits.budget_ms);
}

static bool script_init(struct script *script, struct buffer *error)
{
    struct script_run run = {0};
    enum breach breach;
    unsigned line;
    double ignored;

    script->cpu_ms = script->config->script_limits.budget_ms;
    if (!script_has(script, HOOK_INIT))
        return true;
    script_allow_cpu(script, INIT_CPU_MS);
    breach = script_call(script, &run, HOOK_INIT, &ignored);
    if (breach == BREACH_NONE) {
        script_allow_cpu(script, script->config->script_limits.budget_ms);
        return true;
    }
    script_explain(script, HOOK_INIT, breach, error, &line);
    buffer_append_text(error, " (in init)");
    return false;
}

/* Everything but the state itself. False, and a message in *error. */
static bool script_start(struct script *script, const struct script_owner *owner,
                         struct buffer *error)
{
    const struct config_script *limits = &script->config->script_limits;
    char room[64];

    script->budget = budget_new(script->lua, limits->budget_ms);
    if (script->budget == NULL) {
        buffer_append_text(error, "the system gives no thread for the script's watchdog");
        return false;
    }
    if (!script_load(script, owner)) {
        sandbox_limit_memory(script->lua, 0);
        buffer_append_text(error, script_error_text(script->lua, room, sizeof room));
        return false;
    }
    return script_init(script, error);
}

struct script *script_new(const struct config *config, struct segment *segment, struct loop *loop,
                          const struct script_owner *owner, struct buffer *error)
{
    struct script *script = mem_zalloc(sizeof *script);

    script->config = config;
    shortage_init(&script->shortage, &script->coroutines);
    script->coroutines.facts = owner->facts;
    list_init(&script->coroutines.waiting);
    list_init(&script->coroutines.owned);
    script->coroutines.memory_bytes = config->script_limits.memory;
    script->coroutines.await_ms = config->script_limits.await_ms;
    script->coroutines.go_on = script_go_on;
    script->coroutines.end_waiting = script_end_waiting;
    script->lua = sandbox_open(segment, config->script_limits.memory, modules_offer);
    if (script->lua == NULL) {
        buffer_append_text(error, "script.memory is too small for any script");
    } else if (script_start(script, owner, error)) {
        script->coroutines.loop = loop; /* from here on hooks may await */
        sandbox_collect_between_calls(script->lua);
        return script;
    }
    script_free(script);
    return NULL;
}

void script_close(struct script *script)
{
    if (script->lua == NULL)
        return;
    if (script->broken != NULL) /* its init went wrong */
        coroutines_drop(script->broken);
    coroutines_dispose(&script->coroutines);
    shortage_dispose(&script->shortage);
    dns_return(script->dns);
    script->dns = NULL;
    budget_free(script->budget);
    sandbox_close(script->lua);
    script->lua = NULL;
    for (int hook = 0; hook < HOOKS; hook++)
        script->hooks[hook] = LUA_REFNIL;
}

void script_free(struct script *script)
{
    if (script == NULL)
        return;
    script_close(script);
    mem_free(script);
}
