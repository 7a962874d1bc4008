/*
 * service - what the supervisor tells systemd of lb.
 *
 * It is well as long as some worker moves. The supervisor replaces the workers that stand still, so
 * systemd is for the case that this does not help, and for the supervisor itself.
 */
#include "process/supervisor_inside.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

static enum notify_phase phase_of(const struct supervisor *s)
{
    if (s->state < SUPERVISOR_RUNNING)
        return NOTIFY_STARTING;
    if (s->state > SUPERVISOR_RUNNING || s->state_ends_ms != UINT64_MAX)
        return NOTIFY_STOPPING;
    return s->reload.state != RELOAD_IDLE || s->reload.is_wanted ? NOTIFY_RELOADING
                                                                 : NOTIFY_SERVING;
}

/* Before it serves and when it ends, it has bounds of its own. */
static bool is_well(const struct supervisor *s)
{
    uint64_t bound_ms = s->reload.state == RELOAD_FOLLOWING ? PULSE_STILL_START_MS
                                                            : PULSE_SPREAD_MS + s->reload.budget_ms;

    return s->state != SUPERVISOR_RUNNING ||
           clock_steady_ms() < spread_moved_ms(&s->spread) + bound_ms;
}

void supervisor_tell(struct supervisor *s)
{
    static const char *const words[] = {[NOTIFY_STARTING] = "starting",
                                        [NOTIFY_SERVING] = "serving",
                                        [NOTIFY_RELOADING] = "loading another script",
                                        [NOTIFY_STOPPING] = "draining"};
    enum notify_phase phase = phase_of(s);
    char status[160];

    if (s->notify.fd < 0)
        return;
    snprintf(status, sizeof status, "%s: %u worker%s, edition %" PRIu64, words[phase],
             s->config->workers, s->config->workers == 1 ? "" : "s",
             atomic_load(&s->reload.edition->current));
    notify_follow(&s->notify, phase, status, is_well(s));
}
