/*
 * Two kinds of names: those in the table below, and "policy_breaches.HOOK.KIND" for every hook
 * and breach of shared/hooks.h.
 */
#include "shared/metrics.h"

#include "base/nearest.h"
#include "shared/hooks.h"

#include <stdio.h>

enum { NAME_BYTES = 64, KINDS = (int)HOOKS * (int)BREACHES, NAMES_MAX = 16 + KINDS };

static double get(const _Atomic uint64_t *word)
{
    return (double)atomic_load_explicit(word, memory_order_relaxed);
}

/* --- of one worker --- */

static double requests(const struct segment_worker *w)
{
    return get(&w->requests);
}

static double clients(const struct segment_worker *w)
{
    return get(&w->clients);
}

static double lines_dropped(const struct segment_worker *w)
{
    return get(&w->lines_dropped);
}

static double breaches(const struct segment_worker *w)
{
    return get(&w->policy_errors);
}

static double is_ready(const struct segment_worker *w)
{
    return (double)atomic_load_explicit(&w->ready, memory_order_relaxed);
}

static double sum_over(const struct segment *s, double (*of)(const struct segment_worker *))
{
    double sum = 0;

    for (unsigned i = 0; i < segment_workers(s); i++)
        sum += of(&s->workers[i]);
    return sum;
}

/* --- of all --- */

static double gc_pause_ms(const struct segment *s)
{
    double longest_us = 0;

    for (unsigned i = 0; i < segment_workers(s); i++) {
        double us = get(&s->workers[i].policy_gc_pause_us);

        longest_us = us > longest_us ? us : longest_us;
    }
    return longest_us / 1000;
}

static double is_parked(const struct segment *s)
{
    return get(&s->parking.parked) != 0;
}

static const struct {
    const char *name;
    double (*of)(const struct segment_worker *); /* the sum of these, or */
    double (*whole)(const struct segment *);     /* this */
} metrics[] = {
    {"requests", requests, NULL},        {"clients", clients, NULL},
    {"workers_ready", is_ready, NULL},   {"log_lines_dropped", lines_dropped, NULL},
    {"policy_breaches", breaches, NULL}, {"policy_gc_pause_ms", NULL, gc_pause_ms},
    {"policy_parked", NULL, is_parked},
};

enum { METRICS = sizeof metrics / sizeof *metrics };

_Static_assert((int)METRICS <= 16, "names_of has room for them");

static void name_breaches(char *name, unsigned hook, unsigned kind)
{
    snprintf(name, NAME_BYTES, "policy_breaches.%s.%s", hook_name((enum hook)hook),
             breach_name((enum breach)kind));
}

static double breaches_like(const struct segment *s, unsigned hook, unsigned kind)
{
    double sum = 0;

    for (unsigned i = 0; i < segment_workers(s); i++)
        sum +=
            atomic_load_explicit(&s->workers[i].policy_breaches[hook][kind], memory_order_relaxed);
    return sum;
}

bool metrics_read(const struct segment *segment, struct slice name, double *value)
{
    for (unsigned i = 0; i < METRICS; i++)
        if (slice_is(slice_of(metrics[i].name), name)) {
            *value = metrics[i].of != NULL ? sum_over(segment, metrics[i].of)
                                           : metrics[i].whole(segment);
            return true;
        }
    for (unsigned hook = 0; hook < HOOKS; hook++)
        for (unsigned kind = BREACH_NONE + 1; kind < BREACHES; kind++) {
            char full[NAME_BYTES];

            name_breaches(full, hook, kind);
            if (slice_is(slice_of(full), name)) {
                *value = breaches_like(segment, hook, kind);
                return true;
            }
        }
    return false;
}

const char *metrics_near(struct slice name)
{
    static char room[KINDS][NAME_BYTES];
    const char *names[NAMES_MAX];
    size_t count = 0, used = 0;

    for (unsigned i = 0; i < METRICS; i++)
        names[count++] = metrics[i].name;
    for (unsigned hook = 0; hook < HOOKS; hook++)
        for (unsigned kind = BREACH_NONE + 1; kind < BREACHES; kind++) {
            name_breaches(room[used], hook, kind);
            names[count++] = room[used++];
        }
    return nearest_name(name, names, count);
}
