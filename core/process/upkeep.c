/*
 * upkeep - what the supervisor does for each child: it starts it, finds it when it stands still,
 * and puts right what it leaves.
 */
#include "process/supervisor_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "os/passing.h"
#include "os/waited.h"
#include "process/announce.h"
#include "process/monitor.h"
#include "process/worker.h"
#include "shared/board.h"
#include "shared/clients_by_address.h"
#include "shared/tickets.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_worker(const struct supervisor *s, unsigned which)
{
    return which < s->reload.monitor;
}

static bool is_guest(const struct supervisor *s, unsigned which)
{
    return which >= s->takeover.first;
}

static void close_channel(struct supervisor *s, unsigned worker)
{
    if (s->channels[worker] >= 0)
        close(s->channels[worker]);
    s->channels[worker] = -1;
}

/* --- inside a child --- */

/* Does not return for one that runs another program, or nothing of lb but a few calls. */
static void run_short(struct supervisor *s, unsigned which)
{
    if (which == s->upgrade.trial)
        upgrade_run_trial(s);
    if (which == s->state_file.writer)
        state_file_run_writer(&s->state_file);
}

_Noreturn void supervisor_run_child(void *owner, unsigned which)
{
    struct supervisor *s = owner;
    const struct options *o = s->options;

    run_short(s, which);
    totals_end();
    close(s->signals);
    watch_close(&s->watch);
    notify_close(&s->notify);
    takeover_leave(s);
    for (unsigned i = 0; i < s->config->workers; i++)
        close_channel(s, i);
    log_open(o->event_format, o->line_format, o->log_level, s->children.list[which].name);
    if (which != s->reload.trial)
        edition_only_read(s->reload.edition);
    if (which == s->admin.which) {
        sockets_close(&s->sockets);
        admin_child_run(&s->admin);
    }
    admin_child_leave(&s->admin);
    if (which == s->reload.monitor) {
        sockets_close(&s->sockets);
        exit(monitor_run(s->config, s->reload.edition, s->segment));
    }
    if (which == s->reload.trial) {
        sockets_close(&s->sockets);
        reload_run_child(&s->reload);
    }
    sockets_keep_slot(&s->sockets, which);
    exit(worker_run(&(struct worker_task){
        .first = s->config,
        .edition = s->reload.edition,
        .segment = s->segment,
        .worker = which,
        .listeners = sockets_of_slot(&s->sockets, which),
        .listeners_count = s->sockets.addresses,
        .drain_timeout_ms = o->drain_timeout_ms,
        .channel = s->channel,
    }));
}

/* --- its beginning --- */

/* Without one, for lack of descriptors, the worker serves all the same. */
static void open_channel(struct supervisor *s, unsigned worker)
{
    int ends[2];

    close_channel(s, worker);
    s->channel = -1;
    if (passing_pair(ends) != 0)
        return;
    s->channels[worker] = ends[0];
    s->channel = ends[1];
}

static void start_worker(struct supervisor *s, unsigned worker)
{
    open_channel(s, worker);
    children_start(&s->children, worker);
    if (s->channel >= 0)
        close(s->channel);
    atomic_store(&segment_worker(s->segment, worker)->pid, (uint32_t)s->children.list[worker].pid);
}

void supervisor_start_child(struct supervisor *s, unsigned which)
{
    if (which == s->admin.which)
        admin_child_open_asks(&s->admin);
    if (which < s->config->workers)
        start_worker(s, which);
    else
        children_start(&s->children, which);
    if (which <= s->admin.which)
        pulse_begin(&s->pulse, which, clock_steady_ms());
}

/* --- children that stand still --- */

static void replace_hung(struct supervisor *s, unsigned which, uint64_t still_ms)
{
    const struct child *child = &s->children.list[which];
    bool is_of_workers = is_guest(s, which) ? guests_is_worker(s, which) : is_worker(s, which);
    bool is_monitor = !is_of_workers && which != s->admin.which;

    announce_hung(child,
                  is_of_workers ? "worker_hung"
                  : is_monitor  ? "monitor_hung"
                                : "admin_hung",
                  still_ms, !is_guest(s, which));
    s->children.list[which].ends_as = CHILD_HUNG;
    kill(child->pid, SIGKILL); /* it may be stopped, where no other signal reaches it */
    pulse_begin(&s->pulse, which, clock_steady_ms());
}

static uint64_t events_of(const struct supervisor *s, unsigned which)
{
    if (is_worker(s, which))
        return atomic_load(&segment_worker(s->segment, which)->pulse);
    return atomic_load(which == s->reload.monitor ? &s->segment->monitor_pulse
                                                  : &s->segment->admin_pulse);
}

/* For how long it may stand still. */
static uint64_t bound_of(const struct supervisor *s, unsigned which)
{
    uint64_t budget_ms = is_guest(s, which) ? s->takeover.budget_ms : s->reload.budget_ms;
    bool is_loading =
        !is_guest(s, which) &&
        (s->reload.state == RELOAD_FOLLOWING ||
         (is_worker(s, which) && atomic_load(&segment_worker(s->segment, which)->ready) == 0));

    return is_loading ? PULSE_STILL_START_MS : PULSE_STILL_MS + budget_ms;
}

static void look_after_child(struct supervisor *s, unsigned which, uint64_t events, uint64_t now_ms)
{
    uint64_t bound_ms = bound_of(s, which);
    uint64_t still_ms = pulse_still_ms(&s->pulse, which, events, now_ms);
    pid_t pid = s->children.list[which].pid;

    if (pid != 0 && still_ms >= PULSE_SPREAD_MS &&
        pulse_own_still_ms(&s->pulse, which, still_ms, waited_ms(pid)) >= bound_ms)
        replace_hung(s, which, still_ms);
}

void supervisor_look_after_children(struct supervisor *s)
{
    uint64_t now_ms = clock_steady_ms(), events;
    bool is_due = pulse_is_due(&s->pulse, now_ms);

    for (unsigned i = 0; is_due && i <= s->reload.monitor; i++)
        look_after_child(s, i, events_of(s, i), now_ms);
    if (is_due)
        look_after_child(s, s->admin.which, events_of(s, s->admin.which), now_ms);
    for (unsigned i = s->takeover.first; is_due && i < s->takeover.first + s->takeover.count; i++)
        if (guests_pulse(s, i, &events))
            look_after_child(s, i, events, now_ms);
    spread_look(&s->spread, now_ms);
    tickets_keep_up(s->segment, now_ms);
}

/* --- its end --- */

static void count_death(const struct supervisor *s, unsigned which)
{
    static const enum totals_count counts[] = {[CHILD_DIED] = TOTALS_WORKERS_DIED,
                                               [CHILD_HUNG] = TOTALS_WORKERS_HUNG,
                                               [CHILD_SLOW] = TOTALS_WORKERS_REPLACED};

    totals_add(which == s->admin.which      ? TOTALS_ADMINS_DIED
               : which == s->reload.monitor ? TOTALS_MONITORS_DIED
                                            : counts[s->children.list[which].ends_as],
               1);
}

/* Corrects what others see of it. */
void supervisor_clear_slot(struct supervisor *s, unsigned slot)
{
    struct segment_worker *worker = &s->segment->workers[slot];

    segment_note_change(s->segment);
    atomic_store(&worker->ready, 0);
    atomic_store(&worker->pid, 0);
    atomic_store(&worker->clients, 0);
    atomic_store(&worker->edition, 0);
    board_forget_worker(s->segment, slot);
    clients_by_address_forget_worker(s->segment, slot);
}

static void on_worker_died(struct supervisor *s, unsigned which, int status)
{
    if (s->state < SUPERVISOR_DRAINING)
        reload_on_worker_ended(&s->reload, which, status);
    supervisor_clear_slot(s, segment_slot_of(s->segment, which));
}

/* Another one is due. */
void supervisor_on_child_died(void *owner, unsigned which, int status)
{
    struct supervisor *s = owner;
    bool is_monitor = which == s->reload.monitor, is_stopping = s->state >= SUPERVISOR_DRAINING;
    bool is_admin = which == s->admin.which;

    if (which == s->reload.trial && !is_stopping)
        reload_on_tried(&s->reload, status);
    if (which == s->upgrade.trial && !is_stopping)
        upgrade_on_tried(s, status);
    if (which == s->state_file.writer)
        state_file_on_written(&s->state_file, status);
    if (which >= s->takeover.first)
        takeover_on_guest_died(s, which, status);
    if (which > s->reload.monitor && !is_admin)
        return;
    if (is_admin && admin_child_on_ended(&s->admin))
        return;
    segment_note_change(s->segment);
    if (is_monitor && !is_stopping && reload_on_monitor_ended(&s->reload))
        return;
    if (!is_stopping || (s->state == SUPERVISOR_DRAINING && status != 0))
        children_log_death(&s->children, which, status,
                           is_admin     ? "admin_died"
                           : is_monitor ? "monitor_died"
                                        : "worker_died");
    if (!is_stopping)
        count_death(s, which);
    if (is_worker(s, which))
        on_worker_died(s, which, status);
    if (!is_stopping && (!is_worker(s, which) || takeover_wants_workers(s)))
        children_start_later(&s->children, which);
}
