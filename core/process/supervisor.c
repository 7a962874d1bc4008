/*
 *              first round        all ready            SIGTERM           time is over
 *   CHECKING -------------> STARTING ------> RUNNING ----------> DRAINING ----------> QUITTING
 *   (the monitor alone)     (and the         (from here on       (no new             (SIGQUIT, then
 *                           workers)         it serves)          connections)         SIGKILL)
 *
 * With drain.delay_s it stays in RUNNING for so long after SIGTERM: state_ends_ms is set then.
 *
 * It listens from the beginning: what comes before it serves waits in the kernel's queues.
 *
 * One thread, and one place to wait. Each state may be followed by any later one: a signal that
 * stops lb may come at any time.
 */
#include "process/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/descriptors.h"
#include "process/announce.h"
#include "process/supervisor_inside.h"
#include "process/way_back.h"
#include "shared/board.h"
#include "shared/events.h"
#include "shared/evidence.h"
#include "shared/tickets.h"
#include "shared/wake.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

enum {
    START_POLL_MS = 5,           /* how often it looks at the segment while children start */
    FIRST_ROUND_GRACE_MS = 1000, /* beyond health.timeout */
    START_MAX_MS = 10000,        /* for all workers to be ready */
    QUIT_MS = 1000,              /* between SIGQUIT and SIGKILL */
    LOG_RETRY_MS = 100,
};

void supervisor_enter(struct supervisor *s, enum state state, uint64_t within_ms)
{
    DCHECK(state >= s->state);
    s->state = state;
    s->state_ends_ms = within_ms == UINT64_MAX ? UINT64_MAX : clock_steady_ms() + within_ms;
}

/* --- stopping --- */

/* True: only /ready changes for now, so that whoever sends requests here sees it first. */
static bool supervisor_delays(struct supervisor *s)
{
    uint64_t delay_ms = edition_about(s->reload.edition, s->config)->drain.delay_ms;
    const char *seconds = LOG_SECONDS(delay_ms);

    if (s->state != SUPERVISOR_RUNNING || s->state_ends_ms != UINT64_MAX || delay_ms == 0)
        return false;
    log_event(LOG_INFO, "drain_delay", LOG_PAIRS({"#delay", seconds}),
              "not ready any more: draining in %s s, or at a second SIGTERM", seconds);
    supervisor_enter(s, SUPERVISOR_RUNNING, delay_ms);
    atomic_store(&s->segment->is_leaving, 1);
    upgrade_end_trial(s);
    return true;
}

static void supervisor_drain(struct supervisor *s)
{
    char seconds[32];

    snprintf(seconds, sizeof seconds, "%g", (double)s->options->drain_timeout_ms / 1000);
    log_event(LOG_INFO, "drain", LOG_PAIRS({"#timeout", seconds}), "draining: ending within %s s",
              seconds);
    way_back_close();
    supervisor_enter(s, SUPERVISOR_DRAINING, s->options->drain_timeout_ms);
    atomic_store(&s->segment->is_leaving, 1);
    atomic_store(&s->segment->is_stopping, 1);
    sockets_leave(&s->sockets);
    children_end(&s->children, SIGTERM);
    takeover_drain(s);
    reload_end_trial(&s->reload);
    upgrade_end_trial(s);
    /* The workers accept what waits. Connections are refused when they have closed theirs, too. */
    sockets_close(&s->sockets);
}

static void supervisor_quit(struct supervisor *s)
{
    log_event(LOG_WARN, "quit", NULL, "ending at once, whatever is in flight");
    supervisor_enter(s, SUPERVISOR_QUITTING, QUIT_MS);
    children_end(&s->children, SIGQUIT);
}

static void supervisor_stop(struct supervisor *s)
{
    if (supervisor_delays(s))
        return;
    if (s->state < SUPERVISOR_DRAINING)
        supervisor_drain(s);
    else if (s->state == SUPERVISOR_DRAINING)
        supervisor_quit(s);
}

static void fail_to_start(struct supervisor *s, const char *event, const char *why)
{
    log_event(LOG_ERROR, event, NULL, "%s", why);
    s->status = 1;
    supervisor_stop(s);
}

/* --- starting --- */

static void start_workers(struct supervisor *s)
{
    supervisor_enter(s, SUPERVISOR_STARTING, START_MAX_MS);
    for (unsigned i = 0; i < s->config->workers; i++)
        supervisor_start_child(s, i);
}

static unsigned workers_ready(const struct supervisor *s)
{
    unsigned ready = 0;

    for (unsigned i = 0; i < s->config->workers; i++)
        ready += atomic_load(&segment_worker(s->segment, i)->ready) != 0;
    return ready;
}

static unsigned workers_running(const struct supervisor *s)
{
    unsigned running = 0;

    for (unsigned i = 0; i < s->config->workers; i++)
        running += s->children.list[i].pid != 0;
    return running;
}

static void announce(struct supervisor *s, unsigned ready)
{
    char why[256];

    if (pid_file_publish(&s->pid_file) != 0) {
        snprintf(why, sizeof why, "cannot write %.200s: %s", s->options->pid_file, strerror(errno));
        fail_to_start(s, "pid_file_failed", why);
        return;
    }
    supervisor_enter(s, SUPERVISOR_RUNNING, UINT64_MAX);
    for (unsigned i = 0; i < s->sockets.addresses; i++)
        announce_listening(&s->sockets, i);
    if (ready < s->config->workers)
        announce_missing(s->config->workers - ready, s->config->workers, START_MAX_MS);
    log_flush();
    atomic_store(&s->segment->listen_port, sockets_port(&s->sockets, 0));
}

/* --- the states --- */

static void step_checking(struct supervisor *s)
{
    if (atomic_load(&s->segment->first_round_done) != 0 ||
        s->children.list[s->reload.monitor].pid == 0 || clock_steady_ms() >= s->state_ends_ms)
        start_workers(s);
}

/* A worker that dies before any was ready would only die again. */
static void start_due(struct supervisor *s)
{
    uint64_t now_ms = clock_steady_ms();
    unsigned first = s->was_ready || s->state == SUPERVISOR_RUNNING ? 0 : s->reload.monitor;

    for (unsigned i = first; i < s->children.count; i++)
        if (s->children.list[i].start_at_ms <= now_ms)
            supervisor_start_child(s, i);
}

/* Until it is decided the workers of the program before serve. */
static void step_taking_over(struct supervisor *s, unsigned ready)
{
    bool is_over =
        clock_steady_ms() >= s->state_ends_ms || (!s->was_ready && workers_running(s) == 0);

    if (!is_over && (ready < s->config->workers || !takeover_has_checked(s)))
        return;
    supervisor_enter(s, SUPERVISOR_RUNNING, UINT64_MAX);
    takeover_decide(s, ready == s->config->workers);
    atomic_store(&s->segment->listen_port, sockets_port(&s->sockets, 0));
}

static void step_starting(struct supervisor *s)
{
    unsigned ready = workers_ready(s);

    s->was_ready = s->was_ready || ready > 0;
    start_due(s);
    if (takeover_is_on(s))
        step_taking_over(s, ready);
    else if (ready == s->config->workers || clock_steady_ms() >= s->state_ends_ms)
        announce(s, ready);
    else if (!s->was_ready && workers_running(s) == 0)
        fail_to_start(s, "start_failed", "no worker could start; the reason is in the lines above");
}

/* Those that may have clients: all but the monitor, the admin process and who writes --state. */
static unsigned serving(const struct supervisor *s)
{
    unsigned monitor = s->children.list[s->reload.monitor].pid != 0;
    unsigned writer = s->children.list[s->admin.which + 1].pid != 0;

    return children_running(&s->children) - monitor - writer - admin_child_is_running(&s->admin);
}

static void supervisor_step(struct supervisor *s)
{
    uint64_t now_ms = clock_steady_ms();

    switch (s->state) {
    case SUPERVISOR_CHECKING:
        step_checking(s);
        break;
    case SUPERVISOR_STARTING:
        supervisor_look_after_children(s);
        step_starting(s);
        break;
    case SUPERVISOR_RUNNING:
        supervisor_look_after_children(s);
        if (!upgrade_is_tried(s))
            reload_step(&s->reload);
        upgrade_step(s);
        takeover_step(s);
        admin_child_step(&s->admin);
        start_due(s);
        state_file_step(&s->state_file);
        if (now_ms >= s->state_ends_ms)
            supervisor_drain(s);
        break;
    case SUPERVISOR_DRAINING:
        if (children_running(&s->children) > 0 && serving(s) == 0) {
            admin_child_end(&s->admin);
            supervisor_enter(s, SUPERVISOR_QUITTING, QUIT_MS); /* a script may keep the monitor */
        } else if (now_ms >= s->state_ends_ms && children_running(&s->children) > 0) {
            supervisor_quit(s);
        }
        break;
    case SUPERVISOR_QUITTING:
        if (now_ms >= s->state_ends_ms) {
            children_end(&s->children, SIGKILL);
            supervisor_enter(s, SUPERVISOR_QUITTING, UINT64_MAX);
        }
        break;
    }
}

/* After an upgrade that failed there are no workers that could load it. */
static void ask_for_script(struct supervisor *s)
{
    if (s->takeover.state == TAKEOVER_FAILED)
        upgrade_ask(s);
    else
        reload_ask(&s->reload);
}

static void supervisor_on_signal(struct supervisor *s, int number)
{
    switch (number) {
    case SIGTERM:
    case SIGINT:
        supervisor_stop(s);
        break;
    case SIGQUIT:
        if (s->state < SUPERVISOR_DRAINING)
            supervisor_drain(s);
        supervisor_stop(s);
        break;
    case SIGHUP:
        ask_for_script(s); /* waits until lb serves */
        break;
    case SIGUSR2:
        upgrade_ask(s); /* the same */
        break;
    case SIGUSR1:
        if (announce_reopened()) /* so each child finds the same files */
            children_signal(&s->children, SIGUSR1);
        break;
    default:
        break; /* SIGCHLD: children_reap follows */
    }
}

static uint64_t sooner(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static uint64_t supervisor_next_ms(const struct supervisor *s, bool log_waits)
{
    uint64_t now_ms = clock_steady_ms();
    uint64_t next_ms = s->state < SUPERVISOR_RUNNING ? now_ms + START_POLL_MS
                                                     : children_next_start_ms(&s->children);

    next_ms = sooner(next_ms, s->state_ends_ms);
    next_ms = sooner(next_ms, watch_next_ms(&s->watch));
    next_ms = sooner(next_ms, notify_next_ms(&s->notify));
    if (admin_child_is_wanted(&s->admin)) /* /live looks whether it moves */
        next_ms = sooner(next_ms, now_ms + PULSE_LOOK_MS);
    if (s->state < SUPERVISOR_DRAINING)
        next_ms = sooner(next_ms, reload_next_roll_ms(&s->reload));
    if (s->state == SUPERVISOR_RUNNING) {
        next_ms = sooner(next_ms, s->pulse.looked_ms + PULSE_LOOK_MS);
        if (!upgrade_is_tried(s))
            next_ms = sooner(next_ms, reload_next_ms(&s->reload));
        next_ms = sooner(next_ms, upgrade_next_ms(s));
        next_ms = sooner(next_ms, state_file_next_ms(&s->state_file));
        next_ms = sooner(next_ms, takeover_next_ms(s));
    }
    return log_waits ? sooner(next_ms, now_ms + LOG_RETRY_MS) : next_ms;
}

static void supervisor_loop(struct supervisor *s)
{
    for (;;) {
        int number;

        signals_wait_or(s->signals, s->watch.fd, supervisor_next_ms(s, !log_flush()));
        while ((number = signals_next(s->signals)) != 0)
            supervisor_on_signal(s, number);
        asker_read(s);
        watch_follow(&s->watch, s->reload.edition, s->config);
        watch_read(&s->watch);
        if (watch_has_change(&s->watch))
            ask_for_script(s);
        supervisor_tell(s); /* a reload begins: it may be over after the step */
        children_reap(&s->children);
        atomic_fetch_add(&s->segment->supervisor_pulse, 1);
        (void)events_follow_level(s->segment, clock_steady_ms(), NULL);
        if (s->state < SUPERVISOR_DRAINING)
            reload_step_roll(&s->reload);
        supervisor_step(s);
        supervisor_tell(s);
        if (s->state >= SUPERVISOR_DRAINING && children_running(&s->children) == 0)
            return;
    }
}

/* --- from the beginning to the end --- */

static bool supervisor_open(struct supervisor *s, struct buffer *notice)
{
    struct buffer error = {0};

    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR2, SIG_IGN); /* it is read; to a child some send it out of habit */
    if (s->takeover.handover != NULL)
        return takeover_open(s) == 0;
    if (descriptors_raise(s->config, &error) &&
        sockets_bind(&s->sockets, s->config, &error, notice) == 0) {
        if (pid_file_open(&s->pid_file, s->options->pid_file) != 0)
            buffer_printf(&error, "--pid-file: cannot write %s: %s", s->options->pid_file,
                          strerror(errno));
        else if (admin_child_open(&s->admin, s->sockets.beside, &error) == 0 &&
                 sockets_listen(&s->sockets, &error) == 0)
            return true;
        admin_child_close(&s->admin);
        sockets_close(&s->sockets);
    }
    check_last_words("start_failed", "lb: %s", buffer_text(&error));
    buffer_dispose(&error);
    return false;
}

static void begin_children(struct supervisor *s)
{
    unsigned count = s->admin.which + 2; /* with the writer of --state; then guests */

    upgrade_init(&s->upgrade, s->reload.trial + 1);
    children_init(&s->children, count + takeover_guests(s), s);
    pulse_init(&s->pulse, count + takeover_guests(s), clock_steady_ms());
    spread_init(&s->spread, s->segment, &s->pulse, &s->sockets);
    s->children.run = supervisor_run_child;
    s->children.on_died = supervisor_on_child_died;
    for (unsigned i = 0; i < s->config->workers; i++) {
        children_name(&s->children, i, "worker", i + 1);
        s->channels[i] = -1;
    }
    children_name(&s->children, s->reload.monitor, "monitor", 0);
    children_name(&s->children, s->reload.trial, "trial", 0);
    children_name(&s->children, s->upgrade.trial, "upgrade", 0);
    children_name(&s->children, s->admin.which, "admin", 0);
    children_name(&s->children, s->admin.which + 1, "state", 0);
    way_back_note_children(&s->children, count);
    takeover_begin(s, count);
}

static void supervisor_begin(struct supervisor *s, struct buffer *notice)
{
    const struct options *o = s->options;
    bool is_watched = o->watches && reload_is_possible(&s->reload);
    struct slice before;

    log_open(o->event_format, o->line_format, o->log_level, "supervisor");
    if (s->takeover.handover == NULL)
        announce_start(s->config, is_watched);
    if (buffer_length(notice) > 0)
        log_event(LOG_WARN, "no_ipv6", NULL, "%s", buffer_text(notice));
    announce_beside(&s->sockets);
    if (is_watched)
        announce_watch(o->script, watch_open(&s->watch, o->script));
    atomic_store(&s->segment->workers_count, s->config->workers);
    totals_begin(&s->segment->totals[SEGMENT_SUPERVISOR].totals);
    begin_children(s);
    before = s->takeover.handover != NULL ? handover_text(s->takeover.handover) : SLICE("");
    admin_child_begin(&s->admin, s->takeover.handover != NULL ? &before : NULL);
    state_file_open(&s->state_file, o->state, s->config, s->segment, &s->reload.slots, &s->children,
                    s->admin.which + 1);
    notify_open(&s->notify);
    mem_give_back(); /* what loading the script took, or each child would have it, too */
    if (takeover_is_on(s)) {
        start_workers(s);
        return;
    }
    board_init(s->segment, s->config->backends_count);
    state_file_read(&s->state_file);
    reload_step_roll(&s->reload); /* what sources had found */
    supervisor_enter(s, SUPERVISOR_CHECKING,
                     s->config->health.timeout_ms + FIRST_ROUND_GRACE_MS +
                         (s->config->sources_count > 0 ? RELOAD_FIRST_LIST_MS : 0));
    if (s->config->backends_count + s->config->sources_count > 0)
        supervisor_start_child(s, s->reload.monitor);
}

static bool supervisor_share(struct supervisor *s)
{
    unsigned slots = 2 * s->config->workers; /* and those of the next program's workers */

    return evidence_open(s->segment) == 0 &&
           wake_open(s->segment, slots < SEGMENT_WORKERS_MAX ? slots : SEGMENT_WORKERS_MAX) == 0 &&
           tickets_open(s->segment) &&
           reload_init(&s->reload, s->config, s->options, s->segment, &s->children, &s->spread) ==
               0;
}

int supervisor_run(const struct supervisor_task *task)
{
    struct supervisor s = {.config = task->config,
                           .segment = task->segment,
                           .segment_fd = task->segment_fd,
                           .options = task->options,
                           .signals = task->signals,
                           .takeover.handover = task->handover,
                           .watch.fd = -1,
                           .admin = {.first = task->config,
                                     .segment = task->segment,
                                     .children = &s.children,
                                     .reload = &s.reload,
                                     .asks = {-1, -1},
                                     .which = task->config->workers + 3}};
    struct buffer notice = {0};

    if (!supervisor_share(&s)) {
        check_last_words("start_failed", "lb: nothing can be shared between processes: %s",
                         strerror(errno));
        return 1;
    }
    if (!supervisor_open(&s, &notice)) {
        reload_dispose(&s.reload);
        buffer_dispose(&notice);
        return 1;
    }
    supervisor_begin(&s, &notice);
    buffer_dispose(&notice);
    supervisor_loop(&s);
    state_file_write(&s.state_file);
    pid_file_remove(&s.pid_file);
    admin_child_close(&s.admin);
    log_event(LOG_INFO, "stop", NULL, "stopped");
    log_close();
    takeover_close(&s);
    children_dispose(&s.children);
    pulse_dispose(&s.pulse);
    reload_dispose(&s.reload);
    watch_close(&s.watch);
    notify_close(&s.notify);
    return s.status;
}
