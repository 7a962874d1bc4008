#include "process/admin_child.h"

#include "base/clock.h"
#include "base/log.h"
#include "config/tracing.h"
#include "os/passing.h"
#include "process/admin.h"
#include "shared/events.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool admin_child_is_wanted(const struct admin_child *c)
{
    return c->config.listen_count > 0 || tracing_is_on(&c->tracing);
}

bool admin_child_is_running(const struct admin_child *c)
{
    return c->children->list[c->which].pid != 0;
}

static const struct config *config_now(const struct admin_child *c)
{
    return edition_about(c->reload->edition, c->first);
}

/* --- a reload --- */

/* Another script is good: can its admin address be had? */
static bool may_offer(void *owner, const struct edition_text *draft, struct buffer *why)
{
    struct admin_child *c = owner;

    return admin_sockets_open(&c->sockets, &draft->about.admin, why) == 0;
}

static void take_config(struct admin_child *c, const struct config *config)
{
    c->config = config->admin;
    c->tracing = config->tracing;
    atomic_store(&c->segment->events.are_wanted, c->config.listen_count > 0);
}

/* Another process has the sockets as they are now. */
static void renew(struct admin_child *c)
{
    admin_sockets_announce(&c->sockets);
    c->is_renewed = admin_child_is_running(c);
    if (c->is_renewed)
        kill(c->children->list[c->which].pid, SIGTERM);
    else
        c->children->list[c->which].start_at_ms = admin_child_is_wanted(c) ? 0 : UINT64_MAX;
}

/* All go by a script, perhaps the one before. */
static void on_settled(void *owner)
{
    struct admin_child *c = owner;
    const struct config *now = config_now(c);
    bool differs = memcmp(&now->admin, &c->config, sizeof c->config) != 0 ||
                   memcmp(&now->tracing, &c->tracing, sizeof c->tracing) != 0;

    admin_sockets_keep(&c->sockets, &now->admin);
    if (!differs)
        return;
    take_config(c, now);
    renew(c);
}

void admin_child_step(struct admin_child *c)
{
    if (admin_sockets_restore(&c->sockets))
        renew(c);
}

/* --- the process --- */

int admin_child_open(struct admin_child *c, pid_t beside, struct buffer *error)
{
    c->sockets.beside = beside;
    events_tap(c->segment);
    take_config(c, c->first);
    c->reload->may_offer = may_offer;
    c->reload->on_settled = on_settled;
    c->reload->owner = c;
    return admin_sockets_open(&c->sockets, &c->config, error);
}

void admin_child_begin(struct admin_child *c, const struct slice *before)
{
    struct buffer error = {0};

    if (c->segment->started_ms == 0) {
        c->segment->started_ms = clock_steady_ms();
        c->segment->started_wall_us = clock_wall_us();
    }
    if (before != NULL)
        admin_sockets_take(&c->sockets, &c->first->admin, *before);
    if (before != NULL && admin_child_open(c, 0, &error) != 0) {
        log_event(LOG_ERROR, "admin_failed", NULL, "%s", buffer_text(&error));
        buffer_dispose(&error);
        c->config = (struct config_admin){0};
    }
    admin_sockets_announce(&c->sockets);
    if (admin_child_is_wanted(c))
        c->children->list[c->which].start_at_ms = 0;
}

/* Without it, for lack of descriptors, nobody can ask for an upgrade there. */
void admin_child_open_asks(struct admin_child *c)
{
    if (c->asks[0] < 0 && passing_pair(c->asks) != 0)
        c->asks[0] = c->asks[1] = -1;
}

void admin_child_take_asks(struct admin_child *c, int ours, int its)
{
    c->asks[0] = ours;
    c->asks[1] = its;
}

void admin_child_leave(struct admin_child *c)
{
    admin_sockets_close(&c->sockets);
    for (unsigned i = 0; i < 2; i++)
        if (c->asks[i] >= 0)
            close(c->asks[i]);
    c->asks[0] = c->asks[1] = -1;
}

_Noreturn void admin_child_run(struct admin_child *c)
{
    int sockets[CONFIG_ADMIN_LISTEN_MAX];
    struct admin admin = {.config = &c->config,
                          .tracing = &c->tracing,
                          .segment = c->segment,
                          .edition = &c->reload->edition->current,
                          .script = c->first->script_path,
                          .supervisor = getppid(),
                          .upgrades = c->asks[1]};

    if (c->asks[0] >= 0)
        close(c->asks[0]);

    admin_sockets_find(&c->sockets, &c->config, sockets);
    exit(admin_run(&admin, sockets));
}

bool admin_child_on_ended(struct admin_child *c)
{
    bool was_renewed = c->is_renewed;

    c->is_renewed = false;
    if (was_renewed && admin_child_is_wanted(c))
        c->children->list[c->which].start_at_ms = 0;
    return was_renewed;
}

void admin_child_end(struct admin_child *c)
{
    if (admin_child_is_running(c))
        kill(c->children->list[c->which].pid, SIGQUIT);
}

void admin_child_close(struct admin_child *c)
{
    static const struct config_admin none;

    admin_sockets_keep(&c->sockets, &none);
}
