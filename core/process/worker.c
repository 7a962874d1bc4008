/*
 *              listens              SIGTERM                  nothing in flight
 *   STARTING ----------> SERVING ---------------> DRAINING -------------------> ENDING
 *   (loads the          (from here on             (accepts no more,            (closes the pools,
 *   script)              it is ready)             finishes the rest)           stops the loop)
 *
 * A worker that cannot start drains at once, so that all is closed in one order.
 */
#include "process/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/clients.h"
#include "client/moving.h"
#include "dial/dial.h"
#include "os/children.h"
#include "os/pulse.h"
#include "process/account.h"
#include "process/entrance.h"
#include "process/told.h"
#include "proxy/exchange.h"
#include "proxy/old_plans.h"
#include "proxy/sources.h"
#include "reload/edition.h"
#include "shared/events.h"
#include "shared/wake.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    LAST_ACCEPT_MS = 10, /* for connections that are on their way when draining begins */
    LAST_SERVED_MS = 20, /* for requests that are, before another script is loaded */
    LOG_AGAIN_MS = 20,
    TICK_PULSES = 1000 / PULSE_EVERY_MS, /* of a second */
    DRAIN_GRACE_MS = 1000, /* the supervisor ends a drain; this is for when it is gone */
    STRAY_SIGNAL_MS = 200, /* a signal to the whole group meets the supervisor, too */
};

enum worker_state { WORKER_STARTING, WORKER_SERVING, WORKER_DRAINING, WORKER_ENDING };

struct worker {
    struct loop loop;
    const struct config *first; /* what lb was started with */
    struct edition *edition;
    uint64_t refused; /* the edition that could not be loaded */
    struct segment *segment;
    struct segment_worker *slot;
    uint64_t lines_dropped; /* by those that had its place before */
    struct clients clients;
    struct account account;
    struct proxy proxy;
    struct entrance entrance;
    uint64_t drain_timeout_ms;
    pid_t supervisor;
    uv_signal_t terminate, quit, hangup, reopen;
    uv_poll_t woken;  /* by another worker */
    unsigned number;  /* 0 is worker 1 */
    struct told told; /* by the supervisor */
    unsigned pulses;
    struct deadline last_accept, drain_end, stray_signal, log_again, pulse, turn_to_load;
    enum worker_state state;
    int status; /* of the process */
};

static struct worker *worker_of(struct loop *loop)
{
    return loop->owner;
}

static void worker_enter(struct worker *w, enum worker_state state)
{
    CHECK(state > w->state);
    w->state = state;
    atomic_store(&w->slot->ready, state == WORKER_SERVING);
}

/* --- serving --- */

static void on_client_left(struct clients *clients)
{
    struct worker *w = clients->owner;

    entrance_note_left(&w->entrance);
}

static void on_request(struct clients *clients, struct incoming *in)
{
    struct worker *w = clients->owner;

    exchange_start(&w->proxy, in);
}

static void on_bad_request(struct clients *clients, struct incoming *in, enum incoming_fault fault,
                           const char *text)
{
    struct worker *w = clients->owner;

    exchange_refuse(&w->proxy, in, fault, text);
}

static const struct clients_events clients_events = {
    .on_request = on_request,
    .on_bad_request = on_bad_request,
    .on_left = on_client_left,
};

/* --- draining --- */

static void on_last_accept(struct deadline *d)
{
    entrance_close(&list_entry(d, struct worker, last_accept)->entrance);
}

static void worker_drain(struct worker *w)
{
    if (w->state == WORKER_DRAINING)
        clients_drain(&w->clients); /* nobody is handed over any more */
    if (w->state >= WORKER_DRAINING)
        return;
    worker_enter(w, WORKER_DRAINING);
    clients_drain(&w->clients);
    deadline_set(&w->loop, &w->last_accept, LAST_ACCEPT_MS);
    deadline_set(&w->loop, &w->drain_end, w->drain_timeout_ms + DRAIN_GRACE_MS);
}

static void on_told_to_drain(struct told *t)
{
    worker_drain(list_entry(t, struct worker, told));
}

/* Another worker has the same queues of new connections, and goes on with idle clients. */
static void on_hand_over(struct told *t, int to, bool takes_tls)
{
    struct worker *w = list_entry(t, struct worker, told);

    if (w->state >= WORKER_DRAINING) {
        close(to);
        return;
    }
    worker_enter(w, WORKER_DRAINING);
    entrance_leave(&w->entrance);
    clients_hand_over(&w->clients, to, takes_tls);
    deadline_set(&w->loop, &w->drain_end, w->drain_timeout_ms + DRAIN_GRACE_MS);
}

static void worker_end_at_once(struct worker *w)
{
    worker_drain(w);
    on_last_accept(&w->last_accept);
    clients_close_all(&w->clients);
}

static void on_drain_end(struct deadline *d)
{
    worker_end_at_once(list_entry(d, struct worker, drain_end));
}

static void on_stray_signal(struct deadline *d)
{
    struct worker *w = list_entry(d, struct worker, stray_signal);

    if (w->state == WORKER_SERVING)
        log_event(LOG_WARN, "signal_ignored", NULL,
                  "SIGTERM at a worker is ignored: what stops lb is SIGTERM at its supervisor, "
                  "process %d",
                  (int)w->supervisor);
}

static void on_terminate(uv_signal_t *handle, int number)
{
    struct worker *w = worker_of(handle->loop->data);

    (void)number;
    if (atomic_load(&w->segment->is_stopping) != 0 || getppid() != w->supervisor)
        worker_drain(w);
    else
        deadline_set(&w->loop, &w->stray_signal, STRAY_SIGNAL_MS);
}

static void on_quit(uv_signal_t *handle, int number)
{
    (void)number;
    worker_end_at_once(worker_of(handle->loop->data));
}

/* --- another script --- */

static struct plan *worker_load_edition(struct worker *w, uint64_t number, struct buffer *error)
{
    struct config *config;
    struct plan *plan;

    if (edition_is_first(w->edition, number))
        return plan_new(&w->proxy.plans, w->first, number, error);
    config = edition_load(w->edition, number, w->first, w->segment, error);
    if (config == NULL)
        return NULL;
    plan = plan_new(&w->proxy.plans, config, number, error);
    if (plan != NULL)
        plan->owned = config;
    else
        config_free(config);
    return plan;
}

/* The script stays as it is, with its Lua state. The settings belong to this process alone: no
 * other sees a change of them, and a request looks at their certificates only when it begins. */
static void worker_take_files(struct worker *w, uint64_t number)
{
    struct config *config = (struct config *)w->proxy.plan->config;

    atomic_store(&w->slot->load_us, 0);
    edition_take_files(w->edition, number, config);
    clients_follow(&w->clients, config);
    backends_take_files(&w->proxy.plan->backends);
    proxy_renumber(&w->proxy, number);
}

/* The trial could load it, a worker cannot: for lack of memory, or as the script asks for what
 * workers share. So the supervisor goes back to the edition before. */
static void worker_refuse(struct worker *w, uint64_t number, struct buffer *error)
{
    struct plan *plan = w->proxy.plan;

    log_event(LOG_ERROR, "worker_failed", NULL, "the script cannot be loaded: %s",
              buffer_text(error));
    edition_refuse(w->edition, number, buffer_text(error));
    buffer_dispose(error);
    w->refused = number;
    if (plan != NULL && edition_is_again(w->edition, number, plan->edition))
        proxy_renumber(&w->proxy, number);
}

/* False, and the log says why, if there is no script to go by. If the current edition cannot be
 * loaded, the script that runs stays. */
static bool worker_follow(struct worker *w)
{
    uint64_t number = atomic_load(&w->edition->current);
    struct buffer error = {0};
    uint64_t began_us;
    struct plan *plan;

    if (w->refused == number || (w->proxy.plan != NULL && w->proxy.plan->edition == number))
        return w->proxy.plan != NULL;
    if (w->proxy.plan != NULL && !edition_may_load(w->edition, w->number))
        return true;
    if (w->proxy.plan != NULL &&
        edition_has_new_files(w->edition, number, w->proxy.plan->edition)) {
        worker_take_files(w, number);
        return true;
    }
    began_us = clock_steady_us();
    plan = worker_load_edition(w, number, &error);
    if (plan == NULL) {
        worker_refuse(w, number, &error);
        return w->proxy.plan != NULL;
    }
    buffer_dispose(&error);
    atomic_store(&w->slot->load_us, clock_steady_us() - began_us);
    clients_follow(&w->clients, plan->config);
    account_follow(&w->account, plan->config);
    sources_follow(plan);
    proxy_follow(&w->proxy, plan);
    old_plans_let_go(&w->proxy);
    entrance_follow(&w->entrance, plan->config);
    return true;
}

static void worker_keep_up(struct worker *w)
{
    if (w->state == WORKER_SERVING)
        (void)worker_follow(w);
}

static void on_turn_to_load(struct deadline *d)
{
    worker_keep_up(list_entry(d, struct worker, turn_to_load));
}

/* New connections go to the other workers by now. Requests that came before are served first. */
static void on_hangup(uv_signal_t *handle, int number)
{
    struct worker *w = worker_of(handle->loop->data);

    (void)number;
    deadline_set(&w->loop, &w->turn_to_load, w->first->workers > 1 ? LAST_SERVED_MS : 0);
}

static void on_reopen(uv_signal_t *handle, int number)
{
    (void)handle, (void)number;
    (void)log_reopen(NULL);
}

/* --- the end --- */

static void worker_end(struct worker *w)
{
    worker_enter(w, WORKER_ENDING);
    deadline_clear(&w->pulse);
    deadline_clear(&w->turn_to_load);
    deadline_clear(&w->drain_end);
    deadline_clear(&w->stray_signal);
    signals_ignore(SIGHUP, SIGUSR1);
    uv_close((uv_handle_t *)&w->terminate, NULL);
    uv_close((uv_handle_t *)&w->quit, NULL);
    uv_close((uv_handle_t *)&w->hangup, NULL);
    uv_close((uv_handle_t *)&w->reopen, NULL);
    uv_close((uv_handle_t *)&w->woken, NULL);
    told_close(&w->told);
    proxy_close(&w->proxy);
}

/* After each turn: a drain is over when nothing is left. */
static void worker_check_end(struct worker *w)
{
    if (w->state == WORKER_DRAINING && w->clients.count == 0 && w->entrance.open == 0 &&
        !told_awaits_clients(&w->told))
        worker_end(w);
    if (w->state == WORKER_ENDING && w->proxy.pools.open == 0)
        loop_stop(&w->loop);
}

/* --- every turn --- */

static void on_turn(struct loop *loop)
{
    struct worker *w = worker_of(loop);

    if (!log_flush())
        deadline_set(&w->loop, &w->log_again, LOG_AGAIN_MS);
    atomic_store_explicit(&w->slot->lines_dropped, w->lines_dropped + log_lines_dropped(),
                          memory_order_relaxed);
    if (w->state != WORKER_SERVING)
        worker_check_end(w);
}

static void on_memory_full(struct loop *loop)
{
    account_relieve(&worker_of(loop)->account);
}

static void on_log_again(struct deadline *d)
{
    (void)d; /* the turn that it begins does the work */
}

static void worker_tick(struct worker *w)
{
    worker_keep_up(w);
    sources_step(&w->proxy);
    old_plans_let_go(&w->proxy);
    clients_tick(&w->clients);
    account_tick(&w->account);
    if (w->proxy.plan != NULL)
        policy_tick(w->proxy.plan->policy);
}

static void on_pulse(struct deadline *d)
{
    struct worker *w = list_entry(d, struct worker, pulse);

    deadline_set(&w->loop, &w->pulse, PULSE_EVERY_MS);
    (void)events_follow_level(w->segment, loop_now_ms(&w->loop), NULL);
    entrance_look(&w->entrance);
    if (++w->pulses % TICK_PULSES == 0)
        worker_tick(w);
}

static void on_woken(uv_poll_t *handle, int status, int events)
{
    struct worker *w = worker_of(handle->loop->data);

    (void)status, (void)events;
    wake_hear(w->segment, w->proxy.worker);
    entrance_look(&w->entrance);
    sources_step(&w->proxy);
    queue_note_woken(&w->proxy.queue);
}

/* --- starting --- */

static void worker_catch(struct worker *w, uv_signal_t *handle, uv_signal_cb handler, int number)
{
    CHECK(uv_signal_init(&w->loop.uv, handle) == 0);
    CHECK(uv_signal_start(handle, handler, number) == 0);
}

static void worker_catch_signals(struct worker *w)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    worker_catch(w, &w->terminate, on_terminate, SIGTERM);
    worker_catch(w, &w->quit, on_quit, SIGQUIT);
    worker_catch(w, &w->hangup, on_hangup, SIGHUP);
    worker_catch(w, &w->reopen, on_reopen, SIGUSR1);
    signals_deliver();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != w->supervisor)
        raise(SIGTERM);
}

static void worker_await_waking(struct worker *w)
{
    int fd = wake_fd(w->segment, w->proxy.worker);

    CHECK(uv_poll_init(&w->loop.uv, &w->woken, fd) == 0);
    CHECK(uv_poll_start(&w->woken, UV_READABLE, on_woken) == 0);
}

static int worker_start(struct worker *w, const struct worker_task *task)
{
    int status;

    if (!worker_follow(w))
        return 1;
    status = entrance_open(&w->entrance, w->first, task->listeners, task->listeners_count);
    if (status != 0) {
        log_event(LOG_ERROR, "worker_failed", NULL, "cannot listen: %s", uv_strerror(status));
        return 1;
    }
    worker_enter(w, WORKER_SERVING);
    return 0;
}

static void worker_init(struct worker *w, const struct worker_task *task)
{
    struct segment *segment = task->segment;
    unsigned slot = segment_slot_of(segment, task->worker);

    w->first = task->first;
    w->edition = task->edition;
    w->segment = segment;
    w->number = task->worker;
    w->slot = &segment->workers[slot];
    w->lines_dropped = atomic_load(&w->slot->lines_dropped);
    totals_begin(&segment->totals[slot].totals);
    w->drain_timeout_ms = task->drain_timeout_ms;
    w->supervisor = getppid();
    loop_init(&w->loop);
    w->loop.uv.data = &w->loop;
    w->loop.owner = w;
    w->loop.on_turn = on_turn;
    w->loop.on_memory_full = on_memory_full;
    w->loop.pulse = &w->slot->pulse;
    worker_catch_signals(w);
    deadline_init(&w->last_accept, on_last_accept);
    deadline_init(&w->drain_end, on_drain_end);
    deadline_init(&w->stray_signal, on_stray_signal);
    deadline_init(&w->log_again, on_log_again);
    deadline_init(&w->pulse, on_pulse);
    deadline_init(&w->turn_to_load, on_turn_to_load);
    w->clients = (struct clients){.loop = &w->loop,
                                  .config = w->first,
                                  .segment = segment,
                                  .worker = slot,
                                  .events = &clients_events,
                                  .owner = w};
    clients_init(&w->clients);
    account_init(&w->account, &w->clients, &w->proxy.pools);
    proxy_init(&w->proxy, &w->loop, segment, slot);
    entrance_init(&w->entrance, &w->clients, &w->proxy.pools);
    worker_await_waking(w);
    w->told = (struct told){.on_drain = on_told_to_drain, .on_hand_over = on_hand_over};
    told_init(&w->told, &w->clients, &w->entrance, task->channel);
}

int worker_run(const struct worker_task *task)
{
    static struct worker worker; /* one per process, large */
    struct worker *w = &worker;

    worker_init(w, task);
    w->status = worker_start(w, task);
    if (w->status != 0)
        worker_drain(w); /* closes what there is, in order */
    on_pulse(&w->pulse);
    loop_run(&w->loop);
    if (dial_is_resolving()) { /* for a script; libuv would wait for the answer */
        log_close();
        _exit(w->status);
    }
    clients_dispose(&w->clients);
    loop_dispose(&w->loop);
    entrance_dispose(&w->entrance);
    log_close();
    return w->status;
}
