/*
 * A watchdog thread looks at `sequence` every few ms of the CPU time of the thread that runs Lua:
 * odd means that a call is running, a change that it is another one. The normal path is two
 * increments. While that thread waits for events its time stands still, so a process with nothing
 * to do is not woken, and one with little to do is seldom woken.
 *
 *   watchdog                          the thread that runs Lua
 *   same odd sequence, time is over
 *   overdue = sequence, SIGUSR2 ----> on_signal: set a hook on every instruction,
 *   again until sequence changes      and make compiled code leave (see below)
 *                                     on_hook: raise sandbox_stopped()
 *
 * The allocator does the same as on_signal when the memory's bound is passed.
 *
 * LuaJIT's compiled code does not look at hooks. But with the profiler on in mode "l" every trace
 * tests, at each source line, a bit that the profiler's SIGPROF handler sets. So the profiler is
 * started for these tests, its timer is stopped, and its handler is kept to be called by ours. One
 * signal is not always enough (it may land in the middle of LuaJIT's own change of hooks, or a
 * pcall swallows the error), so it is sent until C has control again.
 *
 * After a reload there are several states for a while. The profiler is one per process, and goes to
 * the newest; the others continue without compiled code.
 */
#include "script/budget.h"

#include "base/clock.h"
#include "base/mem.h"
#include "lua/patterns.h"
#include "lua/sandbox.h"

#include <luajit.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WATCHDOG_STACK_BYTES = 128 * 1024 };

struct budget {
    lua_State *lua;
    uint64_t cpu_us; /* 0: any */
    unsigned line;   /* where the interrupted call was, */
    char file[256];  /* and in which file of the script */
};

/* The states of a process take turns: one watchdog looks after all of them. */
static struct {
    _Atomic uint64_t sequence;      /* odd: a call is running */
    _Atomic uint32_t stop;          /* enum budget_stop, of this call */
    _Atomic uint64_t overdue;       /* the sequence of the call to stop; 0: none */
    _Atomic uint64_t cpu_us;        /* that the running call has; 0: any */
    _Atomic uint64_t noticed;       /* the sequence of the last call that the watchdog has seen, */
    _Atomic uint64_t noticed_us;    /* and when that was, by the caller's CPU time */
    _Atomic uint64_t noticed_at_us; /* and by the clock */
    _Atomic bool is_stopping;
    struct budget *running;  /* whose call runs, or ran last; NULL: none did */
    struct budget *compiled; /* the one whose state LuaJIT compiles; NULL: none */
    unsigned budgets;
    pthread_t caller, watchdog;
    bool has_watchdog;
    clockid_t caller_clock;
    void (*leave_traces)(int); /* LuaJIT's handler of SIGPROF */
    struct sigaction old_usr2;
} dog = {.sequence = 2}; /* never 0, which no call is overdue with */

/* --- on the thread that runs Lua --- */

static void on_profile(void *data, lua_State *lua, int samples, int state)
{
    (void)data, (void)lua, (void)samples, (void)state;
}

/* Later it cannot be found: the line of the innermost frame is lost with the error. */
static void note_line(struct budget *b, lua_State *lua)
{
    lua_Debug frame;

    if (b->line != 0 || !sandbox_find_line(lua, &frame))
        return;
    b->line = (unsigned)frame.currentline;
    snprintf(b->file, sizeof b->file, "%s", frame.source + 1);
}

static void on_hook(lua_State *lua, lua_Debug *where)
{
    (void)where;
    note_line(dog.running, lua);
    lua_pushlightuserdata(lua, sandbox_stopped()); /* allocates nothing */
    lua_error(lua);
}

/* Anywhere on the thread that runs Lua: in a signal, in the allocator. */
static void interrupt(struct budget *b, enum budget_stop stop)
{
    if (atomic_load_explicit(&dog.stop, memory_order_relaxed) == BUDGET_KEPT) {
        atomic_store_explicit(&dog.stop, stop, memory_order_relaxed);
        b->line = 0;
    }
    lua_sethook(b->lua, NULL, 0, 0); /* mends a dispatch table that was half written */
    lua_sethook(b->lua, on_hook, LUA_MASKCOUNT, 1);
    if (b == dog.compiled)
        dog.leave_traces(SIGPROF);
    patterns_stop(true); /* no hook is looked at there */
}

static void on_signal(int number)
{
    (void)number;
    if (dog.running != NULL && atomic_load(&dog.sequence) == atomic_load(&dog.overdue))
        interrupt(dog.running, BUDGET_TIME);
}

static void on_full(void *budget)
{
    struct budget *b = budget;

    if (b == dog.running && atomic_load_explicit(&dog.sequence, memory_order_relaxed) % 2 == 1)
        interrupt(b, BUDGET_MEMORY);
}

static void change_turns(struct budget *b)
{
    dog.running = b;
    atomic_store(&dog.cpu_us, b->cpu_us);
}

int budget_resume(struct budget *b, lua_State *coroutine, int arguments, enum budget_stop *stop)
{
    uint64_t sequence = atomic_load_explicit(&dog.sequence, memory_order_relaxed);
    int result;

    if (__builtin_expect(dog.running != b, 0))
        change_turns(b);
    atomic_store_explicit(&dog.sequence, sequence + 1, memory_order_release);
    result = lua_resume(coroutine, arguments);
    atomic_store_explicit(&dog.sequence, sequence + 2, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    *stop = (enum budget_stop)atomic_load_explicit(&dog.stop, memory_order_relaxed);
    if (__builtin_expect(*stop != BUDGET_KEPT, 0)) {
        lua_sethook(b->lua, NULL, 0, 0);
        patterns_stop(false);
        atomic_store_explicit(&dog.stop, BUDGET_KEPT, memory_order_relaxed);
    }
    return result;
}

unsigned budget_line(const struct budget *b, const char **file)
{
    *file = b->file;
    return b->line;
}

/* --- the watchdog --- */

/* It ends by being cancelled in its sleep. What AddressSanitizer has noted of the frames that it
 * leaves then would be held against the end of the thread. */
#define CANCELLED __attribute__((no_sanitize("address")))

CANCELLED static uint64_t caller_cpu_us(void)
{
    struct timespec used;

    if (clock_gettime(dog.caller_clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000u + (uint64_t)used.tv_nsec / 1000u;
}

uint32_t budget_used_us(void)
{
    uint64_t used_us, passed_us;

    if (atomic_load(&dog.noticed) != atomic_load(&dog.sequence) - 1)
        return 0;
    used_us = caller_cpu_us() - atomic_load(&dog.noticed_us);
    passed_us = clock_steady_us() - atomic_load(&dog.noticed_at_us);
    if (passed_us > used_us + BUDGET_WAIT_US)
        return (uint32_t)(used_us + BUDGET_WAIT_US);
    return (uint32_t)(passed_us > used_us ? passed_us : used_us);
}

CANCELLED static void nap(uint64_t us)
{
    struct timespec length = {(time_t)(us / 1000000u), (long)(us % 1000000u) * 1000};

    nanosleep(&length, NULL);
}

/* Until the thread that runs Lua has used so much more of its CPU time, and the next tick of the
 * kernel's clock. */
CANCELLED static void doze(uint64_t us)
{
    struct timespec length = {(time_t)(us / 1000000u), (long)(us % 1000000u) * 1000};

    if (clock_nanosleep(dog.caller_clock, 0, &length, NULL) != 0)
        nap(us);
}

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static bool is_running(uint64_t sequence)
{
    return atomic_load(&dog.sequence) == sequence && !atomic_load(&dog.is_stopping);
}

_Noreturn static void give_up(void)
{
    check_last_words("script_stuck",
                     "lb: a script is stuck where it cannot be stopped: this worker ends");
    _exit(BUDGET_STUCK_STATUS);
}

CANCELLED static void stop_call(uint64_t sequence, uint64_t step_us)
{
    uint64_t begun_us = caller_cpu_us();

    atomic_store(&dog.overdue, sequence);
    while (is_running(sequence)) {
        pthread_kill(dog.caller, SIGUSR2);
        nap(step_us);
        if (caller_cpu_us() - begun_us > BUDGET_STUCK_MS * 1000u)
            give_up();
    }
    atomic_store(&dog.overdue, 0);
}

CANCELLED static void watch_call(uint64_t sequence)
{
    uint64_t limit_us = atomic_load(&dog.cpu_us), step_us = clamp(limit_us / 10, 500, 5000);
    uint64_t begun_us = caller_cpu_us();

    atomic_store(&dog.noticed_us, begun_us);
    atomic_store(&dog.noticed_at_us, clock_steady_us());
    atomic_store(&dog.noticed, sequence);
    do {
        nap(step_us);
        if (!is_running(sequence))
            return;
    } while (limit_us == 0 || caller_cpu_us() - begun_us < limit_us);
    stop_call(sequence, step_us);
}

CANCELLED static void *watch(void *unused)
{
    while (!atomic_load(&dog.is_stopping)) {
        uint64_t sequence = atomic_load(&dog.sequence);

        if (sequence % 2 == 1)
            watch_call(sequence);
        else
            doze(clamp(atomic_load(&dog.cpu_us) / 4, 1000, 20000));
    }
    return unused;
}

/* --- start and stop --- */

/* It stays interruptible without: the interpreter looks at hooks by itself. What was
 * compiled goes, as traces that are compiled without the profiler test nothing. */
static void release_profiler(void)
{
    lua_State *lua = dog.compiled->lua;

    luaJIT_setmode(lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    luaJIT_setmode(lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_FLUSH);
    luaJIT_profile_stop(lua);
    dog.compiled = NULL;
}

static void take_profiler(struct budget *b)
{
    struct itimerval never = {0};
    struct sigaction profiler;

    if (dog.compiled != NULL)
        release_profiler();
    luaJIT_profile_start(b->lua, "li1000000", on_profile, NULL);
    setitimer(ITIMER_PROF, &never, NULL);
    sigaction(SIGPROF, NULL, &profiler);
    dog.leave_traces = profiler.sa_handler;
    signal(SIGPROF, SIG_IGN);
    dog.compiled = b;
}

/* The watchdog takes no signals: the loop handles the signals of the process. */
static bool start_watchdog(void)
{
    pthread_attr_t attributes;
    sigset_t every, before;
    int result;

    if (dog.has_watchdog)
        return true;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, WATCHDOG_STACK_BYTES);
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    result = pthread_create(&dog.watchdog, &attributes, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    dog.has_watchdog = result == 0;
    return dog.has_watchdog;
}

static void begin(void)
{
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    dog.caller = pthread_self();
    atomic_store(&dog.is_stopping, false);
    CHECK(pthread_getcpuclockid(dog.caller, &dog.caller_clock) == 0);
    sigemptyset(&ours.sa_mask);
    sigaction(SIGUSR2, &ours, &dog.old_usr2);
}

static void end(void)
{
    atomic_store(&dog.is_stopping, true);
    if (dog.has_watchdog) {
        pthread_cancel(dog.watchdog); /* it may doze, and this thread use no more time */
        pthread_join(dog.watchdog, NULL);
    }
    dog.has_watchdog = false;
    sigaction(SIGUSR2, &dog.old_usr2, NULL);
}

struct budget *budget_new(lua_State *lua, uint64_t cpu_ms)
{
    struct budget *b = mem_zalloc(sizeof *b);

    b->lua = lua;
    if (dog.budgets++ == 0)
        begin();
    CHECK(pthread_equal(dog.caller, pthread_self()));
    budget_set(b, cpu_ms);
    take_profiler(b);
    sandbox_on_full(lua, on_full, b);
    if (cpu_ms == 0 || start_watchdog())
        return b;
    budget_free(b);
    return NULL;
}

void budget_set(struct budget *b, uint64_t cpu_ms)
{
    b->cpu_us = cpu_ms * 1000u;
    if (dog.running == b)
        atomic_store(&dog.cpu_us, b->cpu_us);
}

void budget_free(struct budget *b)
{
    if (b == NULL)
        return;
    sandbox_on_full(b->lua, NULL, NULL);
    if (dog.compiled == b)
        release_profiler();
    if (dog.running == b)
        dog.running = NULL;
    if (--dog.budgets == 0)
        end();
    mem_free(b);
}
