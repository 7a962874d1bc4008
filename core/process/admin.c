#include "process/admin.h"

#include "admin/server.h"
#include "base/log.h"
#include "net/deadline.h"
#include "os/children.h"
#include "os/pulse.h"
#include "shared/events.h"

#include <signal.h>

enum { LOG_RETRY_MS = 100, LEAVE_MS = 200 };

static struct process {
    struct loop loop;
    struct segment *segment;
    struct server *server;
    uv_signal_t on_term, on_quit, on_reopen;
    struct deadline log_retry, pulse, leave;
} process;

static void on_signal(uv_signal_t *handle, int number)
{
    struct process *p = handle->data;

    if (number == SIGUSR1)
        (void)log_reopen(NULL);
    else if (number == SIGQUIT)
        loop_stop(&p->loop);
    else if (atomic_load(&p->segment->is_stopping) ==
             0) { /* who asked for a reload or an upgrade gets its result */
        server_leave(p->server);
        deadline_set(&p->loop, &p->leave, LEAVE_MS);
    }
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
    signals_deliver();
    loop_run(&p->loop);
    log_close();
    return 0;
}
