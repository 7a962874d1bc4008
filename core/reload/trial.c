#include "reload/trial.h"

#include "base/clock.h"
#include "base/log.h"
#include "lab/rehearsal.h"
#include "os/children.h"
#include "os/waited.h"
#include "policy/policy.h"
#include "script/budget.h"
#include "shared/board.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TRIAL_WRONG = 2,      /* the exit status if the script is wrong */
    TRIAL_MAX_MS = 30000, /* a script may have set itself no bound */
    MESSAGE_BYTES_MAX = 1000,
};

struct trial {
    const struct config *config;
    bool rehearses;
    int status;          /* waitpid's */
    bool is_late;        /* it was killed for that */
    uint64_t until_ms;   /* when it is killed, steady clock */
    uint64_t granted_ms; /* of its wait for a CPU: until_ms was moved by so much */
};

/* --- inside the child --- */

static _Noreturn void say_and_exit(struct slice message)
{
    struct buffer line = {0};

    log_append_escaped(&line, message, MESSAGE_BYTES_MAX, LOG_TEXT);
    check_last_words("start_failed", "%s", buffer_text(&line));
    _exit(TRIAL_WRONG);
}

static bool loads(const struct config *config, struct buffer *error)
{
    struct segment *segment = segment_new();
    struct policy *policy;

    if (segment == NULL) {
        check_last_words("start_failed", "lb: no shared memory to try the script with: %s",
                         strerror(errno));
        _exit(1);
    }
    board_init(segment, config->backends_count);
    policy = policy_new(config, segment, NULL, 0, error);
    policy_free(policy);
    return policy != NULL;
}

static void try_out(void *owner, unsigned which)
{
    struct trial *t = owner;
    struct buffer error = {0};

    (void)which;
    signals_deliver();
    if (!(t->rehearses ? rehearsal_passes(t->config, &error) : loads(t->config, &error)))
        say_and_exit(buffer_slice(&error));
    _exit(0);
}

/* --- outside --- */

static void on_trial_ended(void *owner, unsigned which, int status)
{
    struct trial *t = owner;

    (void)which;
    t->status = status;
}

static bool reads_stop(int signals)
{
    bool stop = false;
    int number;

    while ((number = signals_next(signals)) != 0)
        stop = stop || number == SIGTERM || number == SIGINT || number == SIGQUIT;
    return stop;
}

static bool trial_is_late(struct trial *t, pid_t pid)
{
    return clock_steady_ms() >= t->until_ms && !waited_grant(pid, &t->until_ms, &t->granted_ms);
}

/* True: a signal said so. */
static bool wait_for_end(struct trial *t, struct children *children, int signals)
{
    bool is_killed = false, stop = false;

    for (;;) {
        stop = reads_stop(signals) || stop;
        children_reap(children);
        if (children_running(children) == 0)
            return stop;
        if (!is_killed && (stop || trial_is_late(t, children->list[0].pid))) {
            children_end(children, SIGKILL);
            is_killed = true;
            t->is_late = !stop;
        }
        signals_wait(signals, is_killed ? UINT64_MAX : t->until_ms);
    }
}

static int exit_status(const struct trial *t)
{
    const char *name = t->config->script_path;

    if (t->is_late)
        check_last_words("start_failed", "%s: loading it in a worker takes more than %d s", name,
                         TRIAL_MAX_MS / 1000);
    else if (WIFSIGNALED(t->status))
        check_last_words("start_failed", "%s: loading it crashed a worker (signal %d: %s)", name,
                         WTERMSIG(t->status), strsignal(WTERMSIG(t->status)));
    else if (WEXITSTATUS(t->status) != TRIAL_WRONG && /* these have been said */
             WEXITSTATUS(t->status) != BUDGET_STUCK_STATUS)
        return WEXITSTATUS(t->status);
    return TRIAL_WRONG;
}

bool trial_run(const struct config *config, bool rehearses, int signals, int *status)
{
    struct trial trial = {
        .config = config, .rehearses = rehearses, .until_ms = clock_steady_ms() + TRIAL_MAX_MS};
    struct children children;
    bool stop = false;

    children_init(&children, 1, &trial);
    children.run = try_out;
    children.on_died = on_trial_ended;
    children_name(&children, 0, "trial", 0);
    children_start(&children, 0);
    *status = 0;
    if (children_running(&children) == 0) {
        check_last_words("start_failed", "lb: the system refuses to start a process");
        *status = 1;
    } else {
        stop = wait_for_end(&trial, &children, signals);
        if (!stop)
            *status = exit_status(&trial);
    }
    children_dispose(&children);
    return !stop && *status == 0;
}
