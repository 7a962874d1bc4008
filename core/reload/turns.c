#include "reload/turns.h"

#include "base/clock.h"
#include "base/log.h"
#include "os/waited.h"

#include <signal.h>

static void let_in(struct turns *t, unsigned which, bool is_busy)
{
    spread_set_busy(t->spread, which, is_busy, clock_steady_ms());
}

void turns_end(struct turns *t)
{
    if (t->given > 0)
        let_in(t, t->given - 1, false);
}

void turns_give_next(struct turns *t)
{
    pid_t pid = t->children->list[t->given].pid;

    turns_end(t);
    let_in(t, t->given, true);
    edition_allow(t->edition, ++t->given);
    t->waited_ms = pid != 0 ? waited_ms(pid) : 0;
    if (pid != 0)
        kill(pid, SIGHUP);
}

void turns_begin(struct turns *t, uint64_t patience_ms)
{
    turns_end(t); /* if they are told to go back */
    t->began_ms = clock_steady_ms();
    t->patience_ms = patience_ms;
    t->given = 0;
    turns_give_next(t);
}

pid_t turns_pid(const struct turns *t)
{
    return t->given > 0 ? t->children->list[t->given - 1].pid : 0;
}

bool turns_are_left(const struct turns *t)
{
    return t->given < t->workers;
}

bool turns_began_with_it(const struct turns *t, unsigned which)
{
    return t->children->list[which].started_ms >= t->began_ms;
}

/* One that does not run will begin with the current one. */
static bool worker_follows(const struct turns *t, unsigned which)
{
    return t->children->list[which].pid == 0 ||
           atomic_load(&t->segment->workers[which].edition) == atomic_load(&t->edition->current);
}

bool turns_are_taken(const struct turns *t)
{
    for (unsigned i = 0; i < t->given; i++)
        if (!worker_follows(t, i))
            return false;
    return true;
}

void turns_replace_slow(struct turns *t)
{
    for (unsigned i = 0; i < t->given; i++) {
        if (worker_follows(t, i) || turns_began_with_it(t, i))
            continue;
        log_event(LOG_ERROR, "reload_slow", NULL,
                  "%s has not taken the new script within %.0f s and is replaced",
                  t->children->list[i].name, (double)t->patience_ms / 1000);
        kill(t->children->list[i].pid, SIGKILL);
        t->waited_ms = 0;
    }
}

uint64_t turns_longest_ms(const struct turns *t)
{
    uint64_t longest_us = 0;

    for (unsigned i = 0; i < t->workers; i++) {
        uint64_t us = atomic_load(&t->segment->workers[i].load_us);

        longest_us = us > longest_us ? us : longest_us;
    }
    return (longest_us + 999) / 1000;
}
