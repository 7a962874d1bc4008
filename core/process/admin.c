#include "process/admin.h"

#include "admin/exporter.h"
#include "admin/server.h"
#include "base/log.h"
#include "dial/dial.h"
#include "net/deadline.h"
#include "os/children.h"
#include "os/pulse.h"
#include "shared/events.h"

#include <signal.h>
#include <unistd.h>

enum {
    LOG_RETRY_MS = 100,
    LEAVE_MS = 200,
    LAST_MS = 800, /* for the last spans; the supervisor waits for a second */
};

static struct process {
    struct loop loop;
    struct segment *segment;
    struct server *server;
    struct exporter *exporter; /* NULL: without tracing */
    uv_signal_t on_term, on_quit, on_reopen;
    struct deadline log_retry, pulse, leave;
} process;

static void on_last_sent(void *owner)
{
    loop_stop(&((struct process *)owner)->loop);
}

static void on_sent(void *owner)
{
    (void)owner; /* its time has an end */
}

/* All others have ended. */
static void end(struct process *p)
{
    if (p->exporter == NULL) {
        loop_stop(&p->loop);
        return;
    }
    exporter_finish(p->exporter, true, on_last_sent, p);
    deadline_set(&p->loop, &p->leave, LAST_MS);
}

/* Another process has the rest. Who asked for a reload or an upgrade gets its result. */
static void make_way(struct process *p)
{
    server_leave(p->server);
    if (p->exporter != NULL)
        exporter_finish(p->exporter, false, on_sent, p);
    deadline_set(&p->loop, &p->leave, LEAVE_MS);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct process *p = handle->data;

    if (number == SIGUSR1)
        (void)log_reopen(NULL);
    else if (number == SIGQUIT)
        end(p);
    else if (atomic_load(&p->segment->is_stopping) == 0)
        make_way(p);
}

static void watch_signal(struct process *p, uv_signal_t *handle, int number)
{
    CHECK(uv_signal_init(&p->loop.uv, handle) == 0);
    handle->data = p;
    CHECK(uv_signal_start(handle, on_signal, number) == 0);
}

static void on_turn(struct loop *loop)
{
    struct process *p = loop->owner;

    if (!log_flush() && !deadline_is_set(&p->log_retry))
        deadline_set(loop, &p->log_retry, LOG_RETRY_MS);
}

static void on_log_retry(struct deadline *d)
{
    (void)d; /* the turn that it begins flushes */
}

static void on_leave(struct deadline *d)
{
    loop_stop(&list_entry(d, struct process, leave)->loop);
}

static void on_pulse(struct deadline *d)
{
    struct process *p = list_entry(d, struct process, pulse);

    deadline_set(&p->loop, &p->pulse, PULSE_EVERY_MS);
    (void)events_follow_level(p->segment, loop_now_ms(&p->loop), NULL);
}

int admin_run(const struct admin *admin, const int *sockets)
{
    struct process *p = &process;

    p->segment = admin->segment;
    loop_init(&p->loop);
    p->loop.owner = p;
    p->loop.on_turn = on_turn;
    p->loop.pulse = &admin->segment->admin_pulse;
    deadline_init(&p->log_retry, on_log_retry);
    deadline_init(&p->pulse, on_pulse);
    deadline_init(&p->leave, on_leave);
    on_pulse(&p->pulse);
    watch_signal(p, &p->on_term, SIGTERM);
    watch_signal(p, &p->on_quit, SIGQUIT);
    watch_signal(p, &p->on_reopen, SIGUSR1);
    p->server = server_new(&p->loop, admin, sockets);
    if (tracing_is_on(admin->tracing))
        p->exporter = exporter_new(&p->loop, admin->segment, admin->tracing);
    signals_deliver();
    loop_run(&p->loop);
    if (p->exporter != NULL)
        exporter_give_up(p->exporter);
    log_close();
    if (dial_is_resolving()) /* libuv would wait for the answer */
        _exit(0);
    return 0;
}
