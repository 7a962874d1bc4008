#include "os/children.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACK_OFF_FIRST_MS = 100, BACK_OFF_MAX_MS = 5000, LONG_LIFE_MS = 10000 };

static struct child *child_at(const struct children *c, unsigned which)
{
    CHECK(which < c->count);
    return &c->list[which];
}

void children_init(struct children *c, unsigned count, void *owner)
{
    *c = (struct children){.count = count, .parent = getpid(), .owner = owner};
    c->list = mem_zalloc(count * sizeof *c->list);
    for (unsigned i = 0; i < count; i++)
        c->list[i].start_at_ms = UINT64_MAX;
}

void children_dispose(struct children *c)
{
    mem_free(c->list);
    *c = (struct children){0};
}

void children_name(struct children *c, unsigned which, const char *name, unsigned number)
{
    struct child *child = child_at(c, which);

    if (number > 0)
        snprintf(child->name, sizeof child->name, "%s %u", name, number);
    else
        snprintf(child->name, sizeof child->name, "%s", name);
}

/* --- starting --- */

/* Ends with the parent, and ignores the signals that a terminal sends to all. */
static void child_begin(const struct children *c, const struct child *child)
{
    char title[16];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != c->parent) /* it has ended already */
        _exit(1);
    snprintf(title, sizeof title, "lb %.12s", child->name);
    prctl(PR_SET_NAME, title);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); /* workers and the monitor handle it; blocked, it waits */
    signal(SIGTERM, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
}

static uint64_t later_back_off(uint64_t back_off_ms)
{
    if (back_off_ms == 0)
        return BACK_OFF_FIRST_MS;
    return back_off_ms * 2 < BACK_OFF_MAX_MS ? back_off_ms * 2 : BACK_OFF_MAX_MS;
}

void children_start_later(struct children *c, unsigned which)
{
    struct child *child = child_at(c, which);

    child->start_at_ms = clock_steady_ms() + child->back_off_ms;
    child->back_off_ms = later_back_off(child->back_off_ms);
}

void children_start(struct children *c, unsigned which)
{
    struct child *child = child_at(c, which);

    log_flush(); /* what waits would be in both */
    child->pid = fork();
    if (child->pid == 0) {
        child_begin(c, child);
        c->run(c->owner, which);
        _exit(1);
    }
    if (child->pid < 0) {
        child->pid = 0;
        log_event(LOG_ERROR, "fork_failed", NULL, "%s cannot be started: %s", child->name,
                  strerror(errno));
        children_start_later(c, which);
        return;
    }
    child->started_ms = clock_steady_ms();
    child->ends_as = CHILD_DIED;
    child->start_at_ms = UINT64_MAX;
}

uint64_t children_next_start_ms(const struct children *c)
{
    uint64_t next_ms = UINT64_MAX;

    for (unsigned i = 0; i < c->count; i++)
        if (c->list[i].start_at_ms < next_ms)
            next_ms = c->list[i].start_at_ms;
    return next_ms;
}

/* --- ending --- */

void children_signal(struct children *c, int number)
{
    for (unsigned i = 0; i < c->count; i++)
        if (c->list[i].pid != 0)
            kill(c->list[i].pid, number);
}

void children_end(struct children *c, int number)
{
    for (unsigned i = 0; i < c->count; i++)
        c->list[i].start_at_ms = UINT64_MAX;
    children_signal(c, number);
}

static void child_died(struct children *c, unsigned which, int status)
{
    struct child *child = child_at(c, which);

    if (clock_steady_ms() - child->started_ms >= LONG_LIFE_MS)
        child->back_off_ms = 0;
    c->on_died(c->owner, which, status);
    child->pid = 0;
}

/* As process 1 of a container, lb is also the parent of orphans, which are none of its children. */
void children_reap(struct children *c)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (unsigned i = 0; i < c->count; i++)
            if (c->list[i].pid == pid)
                child_died(c, i, status);
}

unsigned children_running(const struct children *c)
{
    unsigned count = 0;

    for (unsigned i = 0; i < c->count; i++)
        count += c->list[i].pid != 0;
    return count;
}

void children_log_death(const struct children *c, unsigned which, int status, const char *event)
{
    const struct child *child = child_at(c, which);
    bool is_signal = WIFSIGNALED(status);
    int number = is_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    const char *pid = LOG_NUMBER(child->pid), *text = LOG_NUMBER(number);
    const struct log_pair *pairs =
        LOG_PAIRS({"child", child->name}, {"#pid", pid}, {is_signal ? "#signal" : "#status", text});

    if (is_signal)
        log_event(LOG_ERROR, event, pairs, "%s (pid %s) was ended by signal %s: %s", child->name,
                  pid, text, strsignal(number));
    else
        log_event(LOG_ERROR, event, pairs, "%s (pid %s) ended with status %s", child->name, pid,
                  text);
}

/* --- signals --- */

static void on_early_signal(int number)
{
    (void)number;
    _exit(0);
}

void signals_expect(void)
{
    sigset_t later;

    signal(SIGUSR2, SIG_IGN); /* not blocked, as script/budget.c needs it */
    signal(SIGTERM, on_early_signal);
    signal(SIGINT, on_early_signal);
    signal(SIGQUIT, on_early_signal);
    sigemptyset(&later);
    sigaddset(&later, SIGHUP); /* may be sent at once; waits for signals_open */
    sigaddset(&later, SIGUSR1);
    sigprocmask(SIG_BLOCK, &later, NULL);
}

/* SIGHUP may be that of a terminal that is gone: not if lb was started by nohup, or without one. */
static bool may_be_hung_up;

static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void note_terminal(void)
{
    struct sigaction now;

    may_be_hung_up =
        sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN && has_terminal();
}

/* The kernel sends SIGHUP only for that, and a shell passes it on to what it has started. From
 * anybody else it means that the script is to be loaded, also when the terminal is long gone. */
static bool is_hangup(const struct signalfd_siginfo *info)
{
    pid_t session = getsid(0);

    if (info->ssi_signo != SIGHUP || !may_be_hung_up)
        return false;
    if (info->ssi_code == SI_KERNEL)
        return true;
    return ((pid_t)info->ssi_pid == session || getsid((pid_t)info->ssi_pid) == session) &&
           !has_terminal();
}

int signals_open(void)
{
    static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    sigset_t set;

    note_terminal();
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(&set, numbers[i]);
    signal(SIGCHLD, SIG_DFL); /* if it was ignored before lb started, waitpid finds no child */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void signals_deliver(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void signals_ignore(int first, int second)
{
    sigset_t stray;

    sigemptyset(&stray);
    sigaddset(&stray, first);
    sigaddset(&stray, second);
    sigprocmask(SIG_BLOCK, &stray, NULL);
}

int signals_next(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return is_hangup(&info) ? SIGTERM : (int)info.ssi_signo;
}

void signals_wait(int fd, uint64_t until_ms)
{
    signals_wait_or(fd, -1, until_ms);
}

void signals_wait_or(int fd, int other, uint64_t until_ms)
{
    struct pollfd waiting[] = {{.fd = fd, .events = POLLIN}, {.fd = other, .events = POLLIN}};
    uint64_t now_ms = clock_steady_ms();
    uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;

    poll(waiting, 2, until_ms == UINT64_MAX ? -1 : left_ms < INT_MAX ? (int)left_ms : INT_MAX);
}
