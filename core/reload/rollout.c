#include "reload/rollout.h"

#include "base/clock.h"
#include "base/log.h"
#include "os/waited.h"

#include <signal.h>

static void set_busy(struct rollout *o, unsigned which, bool is_busy)
{
    spread_set_busy(o->spread, which, is_busy, clock_steady_ms());
}

void rollout_end(struct rollout *o)
{
    if (o->given > 0)
        set_busy(o, o->given - 1, false);
}

void rollout_give_next(struct rollout *o)
{
    pid_t pid = o->children->list[o->given].pid;

    rollout_end(o);
    set_busy(o, o->given, true);
    edition_allow(o->edition, ++o->given);
    o->waited_ms = waited_ms(pid);
    if (pid != 0)
        kill(pid, SIGHUP);
}

void rollout_begin(struct rollout *o, uint64_t patience_ms)
{
    rollout_end(o); /* if the workers go back to the script before */
    o->began_ms = clock_steady_ms();
    o->patience_ms = patience_ms;
    o->given = 0;
    rollout_give_next(o);
}

pid_t rollout_pid(const struct rollout *o)
{
    return o->given > 0 ? o->children->list[o->given - 1].pid : 0;
}

bool rollout_has_next(const struct rollout *o)
{
    return o->given < o->workers;
}

bool rollout_began_with_it(const struct rollout *o, unsigned which)
{
    return o->children->list[which].started_ms >= o->began_ms;
}

/* A worker that does not run will begin with the current edition. */
static bool worker_follows(const struct rollout *o, unsigned which)
{
    return o->children->list[which].pid == 0 ||
           atomic_load(&segment_worker(o->segment, which)->edition) ==
               atomic_load(&o->edition->current);
}

bool rollout_is_taken(const struct rollout *o)
{
    for (unsigned i = 0; i < o->given; i++)
        if (!worker_follows(o, i))
            return false;
    return true;
}

void rollout_replace_slow(struct rollout *o)
{
    for (unsigned i = 0; i < o->given; i++) {
        if (worker_follows(o, i) || rollout_began_with_it(o, i))
            continue;
        log_event(LOG_ERROR, "reload_slow", NULL,
                  "%s has not taken the new script within %.0f s and is replaced",
                  o->children->list[i].name, (double)o->patience_ms / 1000);
        o->children->list[i].ends_as = CHILD_SLOW;
        kill(o->children->list[i].pid, SIGKILL);
        o->waited_ms = 0;
    }
}

uint64_t rollout_longest_ms(const struct rollout *o)
{
    uint64_t longest_us = 0;

    for (unsigned i = 0; i < o->workers; i++) {
        uint64_t us = atomic_load(&segment_worker(o->segment, i)->load_us);

        longest_us = us > longest_us ? us : longest_us;
    }
    return (longest_us + 999) / 1000;
}
