#include "process/monitor.h"

#include "base/log.h"
#include "base/mem.h"
#include "dial/dial.h"
#include "discover/discovery.h"
#include "health/health.h"
#include "net/deadline.h"
#include "os/children.h"
#include "os/pulse.h"
#include "process/monitor_script.h"
#include "shared/events.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS_MIN = 4, THREADS_MAX = 256, THREADS_OF_SOURCES = 32, LOG_RETRY_MS = 100 };

static struct monitor {
    struct loop loop;
    struct segment *segment;
    struct edition *edition;
    pid_t supervisor;
    uint64_t number; /* of the edition */
    struct membership members;
    struct {
        bool is_checked;
        unsigned going; /* checkers that are not gone yet */
    } * places;
    struct health *health;
    struct discovery *discovery; /* NULL: the script has no sources */
    uint64_t wanted;             /* the list that the first round waits for; 0: none */
    struct monitor_script *script;
    uv_signal_t on_term, on_quit, on_reopen;
    uv_poll_t woken;
    struct deadline log_retry, pulse;
} monitor;

static void on_first_round(void *owner)
{
    struct monitor *m = owner;

    atomic_store(&m->segment->first_round_done, 1);
    atomic_store(&m->edition->answers->checked, m->number);
}

/* It may have come back since. */
static void on_removed(void *owner, unsigned place)
{
    struct monitor *m = owner;

    if (--m->places[place].going > 0 || m->members.list[place].is_listed)
        return;
    if (m->script != NULL)
        monitor_script_take_away(m->script, place);
    members_free(&m->members, place);
}

static const struct health_events health_events = {on_first_round, on_removed};

/* --- sources --- */

static void check_from_now_on(struct monitor *m, unsigned place)
{
    m->places[place].is_checked = true;
    health_add(m->health, place, m->members.list[place].settings);
}

static void on_changed(struct monitor *m, struct member_change change)
{
    if (change.news == MEMBER_JOINED) {
        check_from_now_on(m, change.place);
    } else if (change.news == MEMBER_LEFT) {
        m->places[change.place].is_checked = false;
        m->places[change.place].going++;
        health_remove(m->health, change.place);
    }
}

/* What the sources have found got slots, and the supervisor has told. */
static void follow_sources(struct monitor *m)
{
    if (members_follow(&m->members)) {
        for (unsigned i = 0; i < m->members.changes_count; i++)
            on_changed(m, m->members.changes[i]);
        if (m->script != NULL)
            monitor_script_follow(m->script);
    }
    if (m->wanted == 0 || m->members.wanted < m->wanted)
        return;
    m->wanted = 0;
    health_note_all_added(m->health);
}

/* A SIGCHLD only makes the supervisor look. */
static void on_wanted(void *owner, bool is_first_of_all)
{
    struct monitor *m = owner;

    if (is_first_of_all)
        m->wanted = roster_wanted(m->segment);
    if (getppid() == m->supervisor)
        kill(m->supervisor, SIGCHLD);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct monitor *m = handle->data;

    if (number == SIGUSR1)
        (void)log_reopen(NULL);
    else if (number == SIGQUIT || atomic_load(&m->segment->is_stopping) != 0)
        loop_stop(&m->loop);
}

static void on_turn(struct loop *loop)
{
    struct monitor *m = loop->owner;

    if (!log_flush() && !deadline_is_set(&m->log_retry))
        deadline_set(loop, &m->log_retry, LOG_RETRY_MS);
}

static void on_log_retry(struct deadline *d)
{
    (void)d; /* the turn that it begins flushes */
}

static void on_pulse(struct deadline *d)
{
    struct monitor *m = list_entry(d, struct monitor, pulse);

    deadline_set(&m->loop, &m->pulse, PULSE_EVERY_MS);
    if (m->health != NULL)
        follow_sources(m);
    (void)events_follow_level(m->segment, loop_now_ms(&m->loop), NULL);
}

static void on_woken(uv_poll_t *handle, int status, int events)
{
    struct monitor *m = handle->data;

    (void)status;
    (void)events;
    health_look(m->health);
    follow_sources(m);
}

static void watch_looks(struct monitor *m)
{
    CHECK(uv_poll_init(&m->loop.uv, &m->woken, m->segment->look_fd) == 0);
    m->woken.data = m;
    CHECK(uv_poll_start(&m->woken, UV_READABLE, on_woken) == 0);
}

static void watch_signal(struct monitor *m, uv_signal_t *handle, int number)
{
    CHECK(uv_signal_init(&m->loop.uv, handle) == 0);
    handle->data = m;
    CHECK(uv_signal_start(handle, on_signal, number) == 0);
}

/* A lookup that hangs keeps a thread, so each name should have one of its own;
 * and libuv lets lookups have half of its threads only. They are made at the
 * first lookup, and not at all without names. */
static void set_resolver_threads(const struct config *config)
{
    unsigned threads = 0;
    char text[16];

    for (unsigned i = 0; i < config->backends_count; i++)
        threads += config->backends[i].address.kind == ADDRESS_NAME ? 2 : 0;
    threads += config->sources_count > 0 ? THREADS_OF_SOURCES : 0;
    threads = threads < THREADS_MIN ? THREADS_MIN : threads;
    threads = threads > THREADS_MAX ? THREADS_MAX : threads;
    snprintf(text, sizeof text, "%u", threads);
    setenv("UV_THREADPOOL_SIZE", text, 1);
}

/* NULL, and the log says why, if there is no memory. */
static const struct config *load_settings(struct monitor *m, const struct config *first,
                                          struct segment *segment)
{
    struct buffer error = {0};
    const struct config *config;

    if (edition_is_first(m->edition, m->number))
        return first;
    config = edition_load(m->edition, m->number, first, segment, &error);
    if (config == NULL)
        log_event(LOG_ERROR, "monitor_failed", NULL, "the script cannot be loaded: %s",
                  buffer_text(&error));
    buffer_dispose(&error);
    return config;
}

static void check_all(struct monitor *m, const struct config *config)
{
    members_init(&m->members, config, m->segment, m->number);
    (void)members_follow(&m->members);
    m->places = mem_zalloc((m->members.capacity + 1) * sizeof *m->places);
    m->health = health_new(&m->loop, config, m->segment, m->members.capacity, &health_events, m);
    for (unsigned i = 0; i < m->members.listed; i++)
        check_from_now_on(m, m->members.order[i]);
    watch_looks(m);
    m->script = monitor_script_new(&m->loop, &m->members, m->segment, m->health);
    if (m->script != NULL)
        monitor_script_follow(m->script);
    m->discovery = discovery_new(&m->loop, &m->members, m->segment, on_wanted, m);
    if (m->discovery == NULL)
        health_note_all_added(m->health);
}

/* Nothing but the script is disposed of at the end, as the process ends, too. */
int monitor_run(const struct config *first, struct edition *edition, struct segment *segment)
{
    struct monitor *m = &monitor;
    const struct config *config;

    m->segment = segment;
    m->edition = edition;
    m->supervisor = getppid();
    m->number = atomic_load(&edition->offered);
    config = load_settings(m, first, segment);
    if (config == NULL)
        return 1;
    set_resolver_threads(config);
    loop_init(&m->loop);
    m->loop.owner = m;
    m->loop.on_turn = on_turn;
    m->loop.pulse = &segment->monitor_pulse;
    totals_begin(&segment->totals[SEGMENT_MONITOR].totals);
    deadline_init(&m->log_retry, on_log_retry);
    deadline_init(&m->pulse, on_pulse);
    on_pulse(&m->pulse);
    watch_signal(m, &m->on_term, SIGTERM);
    watch_signal(m, &m->on_quit, SIGQUIT);
    watch_signal(m, &m->on_reopen, SIGUSR1);
    signals_deliver();
    check_all(m, config);
    loop_run(&m->loop);
    discovery_free(m->discovery);
    monitor_script_free(m->script); /* what the script has open is closed as in a worker */
    log_close();
    if (health_is_resolving(m->health) || dial_is_resolving())
        _exit(0);
    return 0;
}
