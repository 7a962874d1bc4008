/*
 * Numbers that lb keeps anyway, by name, for scripts: lb.metric(name). lua/prelude.lua calls these
 * functions by name. Each number is the sum over all workers of what the segment has, those that
 * died excepted where the supervisor clears them.
 *
 * Two kinds of names: those in the table below, and "policy_breaches.HOOK.KIND" for every hook
 * and breach of shared/hooks.h.
 */
#include "base/nearest.h"
#include "shared/hooks.h"
#include "shared/segment.h"

#include <math.h>
#include <stdio.h>

enum {
    NAME_BYTES = 64,
    KINDS = (int)BREACHES - 1, /* of breaches, without none */
    BREACH_NAMES = (int)HOOKS * KINDS,
};

static double get(const _Atomic uint64_t *word)
{
    return (double)atomic_load_explicit(word, memory_order_relaxed);
}

static double count_ready(const struct segment *s)
{
    double ready = 0;

    for (unsigned i = 0; i < segment_workers(s); i++)
        ready += atomic_load_explicit(&s->workers[i].ready, memory_order_relaxed);
    return ready;
}

static double gc_pause_ms(const struct segment *s)
{
    double longest_us = 0;

    for (unsigned i = 0; i < segment_workers(s); i++)
        longest_us = fmax(longest_us, get(&s->workers[i].policy_gc_pause_us));
    return longest_us / 1000;
}

static double is_parked(const struct segment *s)
{
    return get(&s->parking.parked) != 0;
}

static const struct {
    const char *name;
    double (*of)(const struct segment *); /* NULL: the sum of the word that each worker has there */
    size_t at;
} metrics[] = {
    {"requests", NULL, offsetof(struct segment_worker, requests)},
    {"clients", NULL, offsetof(struct segment_worker, clients)},
    {"workers_ready", count_ready, 0},
    {"log_lines_dropped", NULL, offsetof(struct segment_worker, lines_dropped)},
    {"policy_breaches", NULL, offsetof(struct segment_worker, policy_errors)},
    {"policy_gc_pause_ms", gc_pause_ms, 0},
    {"policy_parked", is_parked, 0},
};

enum { METRICS = sizeof metrics / sizeof *metrics };

static double metric_read(const struct segment *s, unsigned metric)
{
    double sum = 0;

    if (metrics[metric].of != NULL)
        return metrics[metric].of(s);
    for (unsigned i = 0; i < segment_workers(s); i++)
        sum += get((const void *)((const char *)&s->workers[i] + metrics[metric].at));
    return sum;
}

/* Of all hooks and breaches, in one row. */
static void name_breaches(char name[NAME_BYTES], unsigned i)
{
    snprintf(name, NAME_BYTES, "policy_breaches.%s.%s", hook_name((enum hook)(i / KINDS)),
             breach_name((enum breach)(i % KINDS + 1)));
}

static double breaches_read(const struct segment *s, unsigned i)
{
    double sum = 0;

    for (unsigned w = 0; w < segment_workers(s); w++)
        sum += atomic_load_explicit(&s->workers[w].policy_breaches[i / KINDS][i % KINDS + 1],
                                    memory_order_relaxed);
    return sum;
}

/* False: there is no such. */
bool metrics_read(const struct segment *segment, struct slice name, double *value)
{
    char full[NAME_BYTES];

    for (unsigned i = 0; i < METRICS; i++)
        if (slice_is(slice_of(metrics[i].name), name)) {
            *value = metric_read(segment, i);
            return true;
        }
    for (unsigned i = 0; i < BREACH_NAMES; i++) {
        name_breaches(full, i);
        if (slice_is(slice_of(full), name)) {
            *value = breaches_read(segment, i);
            return true;
        }
    }
    return false;
}

/* The name that was probably meant, or NULL. Good until the next call. */
const char *metrics_near(struct slice name)
{
    static char rooms[BREACH_NAMES][NAME_BYTES];
    const char *names[(int)METRICS + (int)BREACH_NAMES];
    size_t count = 0;

    for (unsigned i = 0; i < METRICS; i++)
        names[count++] = metrics[i].name;
    for (unsigned i = 0; i < BREACH_NAMES; i++) {
        name_breaches(rooms[i], i);
        names[count++] = rooms[i];
    }
    return nearest_name(name, names, count);
}
