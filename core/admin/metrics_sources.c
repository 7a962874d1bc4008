/*
 * What sources of backends have found, for the page of metrics.
 */
#include "admin/metrics_inside.h"
#include "shared/roster.h"

/* label: source="..". */
static void put_sources(struct metrics *m, void (*put)(struct metrics *, struct slice label,
                                                       const struct segment_source *))
{
    static struct roster_list list; /* large; NULs behind each name */
    unsigned count = atomic_load(&m->segment->sources_count);

    if (!roster_read_list(m->segment, roster_listed(m->segment), &list))
        return;
    for (unsigned i = 0; i < count && i < list.head.sources && i < ROSTER_SOURCES_MAX; i++) {
        char room[METRICS_LABELS_BYTES];

        put(m, metrics_label(room, "source", slice_of(list.head.names[i])),
            &m->segment->sources[i]);
    }
}

static void put_source_backends(struct metrics *m, struct slice label,
                                const struct segment_source *s)
{
    metrics_put(m, label, SLICE("state=\"listed\""),
                atomic_load(&s->backends) - atomic_load(&s->held));
    metrics_put(m, label, SLICE("state=\"held\""), atomic_load(&s->held));
}

static void put_source_age(struct metrics *m, struct slice label, const struct segment_source *s)
{
    uint64_t heard_ms = atomic_load(&s->heard_ms);

    if (heard_ms != 0)
        metrics_put_micros(m, label, SLICE(""),
                           m->now_ms > heard_ms ? (m->now_ms - heard_ms) * 1000 : 0);
}

static void put_source_lists(struct metrics *m, struct slice label, const struct segment_source *s)
{
    metrics_put(m, label, SLICE("result=\"ok\""), atomic_load(&s->lists));
    metrics_put(m, label, SLICE("result=\"kept\""), atomic_load(&s->kept));
    metrics_put(m, label, SLICE("result=\"failed\""), atomic_load(&s->failures));
}

void metrics_put_found(struct metrics *m)
{
    put_sources(m, put_source_backends);
}

void metrics_put_found_age(struct metrics *m)
{
    put_sources(m, put_source_age);
}

void metrics_put_found_lists(struct metrics *m)
{
    put_sources(m, put_source_lists);
}
