/*
 * All that a handler of signals needs is made ready before: it only calls what signal-safety(7)
 * allows.
 */
#include "process/way_back.h"

#include "base/mem.h"
#include "os/program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_BYTES = 65536, FDS_MAX = 4096, VARIABLE_BYTES = 64 };

static struct {
    pid_t owner; /* 0: it is closed */
    int program;
    int fds[FDS_MAX]; /* that the next program is to have */
    unsigned fds_count;
    char variable[VARIABLE_BYTES];
    char **environment;
    const struct children *children;
    unsigned children_count;
} back;

static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};

enum { SIGNALS = sizeof signals / sizeof *signals };

static void end_children(void)
{
    for (unsigned i = 0; i < back.children_count; i++) {
        pid_t pid = back.children->list[i].pid;

        if (pid > 0 && kill(pid, SIGKILL) == 0)
            (void)waitpid(pid, NULL, 0);
    }
}

static void go(void)
{
    sigset_t none;

    end_children();
    for (unsigned i = 0; i < back.fds_count; i++)
        (void)fcntl(back.fds[i], F_SETFD, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    syscall(SYS_execveat, back.program, "", program_arguments(), back.environment, AT_EMPTY_PATH);
}

static void on_crash(int number)
{
    pid_t owner = back.owner;

    back.owner = 0; /* a second crash ends the process */
    if (owner == getpid())
        go();
    signal(number, SIG_DFL);
    raise(number);
}

static void catch (void)
{
    static char stack[STACK_BYTES];
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};

    (void)sigaltstack(&own, NULL);
    for (unsigned i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &action, NULL);
}

/* False: there are more than anybody has. */
static bool list_descriptors(const struct handover *h)
{
    struct slice rest = handover_text(h);
    struct record r;

    back.fds[0] = h->fd;
    back.fds_count = 1;
    while (records_next(&rest, &r)) {
        int fd = (int)record_number(&r, "fd", (uint64_t)-1);

        if (fd < 0)
            continue;
        if (back.fds_count == FDS_MAX)
            return false;
        back.fds[back.fds_count++] = fd;
        if (record_is(&r, "program"))
            back.program = fd;
    }
    return back.program >= 0;
}

static void list_environment(int handover)
{
    size_t count = 0, put = 0;

    while (environ[count] != NULL)
        count++;
    back.environment = mem_zalloc((count + 2) * sizeof *back.environment);
    snprintf(back.variable, sizeof back.variable, HANDOVER_VARIABLE "=%d,back", handover);
    back.environment[put++] = back.variable;
    for (size_t i = 0; i < count; i++)
        back.environment[put++] = environ[i];
}

void way_back_open(const struct handover *h)
{
    back.program = -1;
    if (h->is_trial || h->is_back || program_path() == NULL || !list_descriptors(h))
        return;
    list_environment(h->fd);
    back.owner = getpid();
    catch ();
}

void way_back_note_children(const struct children *children, unsigned count)
{
    back.children = children;
    back.children_count = count;
}

void way_back_take(void)
{
    if (back.owner != getpid())
        return;
    back.owner = 0;
    go();
    _exit(1);
}

void way_back_close(void)
{
    if (back.environment == NULL)
        return;
    back.owner = 0;
    for (unsigned i = 0; i < SIGNALS; i++)
        signal(signals[i], SIG_DFL);
    mem_free(back.environment);
    back.environment = NULL;
}
