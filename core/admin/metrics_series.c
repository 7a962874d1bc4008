/*
 * The scripts' own metrics. Those of one name may differ in their labels, after a reload, and stand
 * together: `first` is the first of a name, `which` goes over all of that name, `next` over the
 * list of series.
 */
#include "admin/metrics_inside.h"

#include "shared/series.h"

#include <stdio.h>

enum { PREFIXED_BYTES = SERIES_NAME_BYTES + 16 };

struct place {
    unsigned first, which;
    unsigned next; /* of the list, + 1; 0: the metric has not begun */
};

enum { NEXTS = SERIES_MAX + 2 };

static struct place place_at(uint32_t at)
{
    return (struct place){at / NEXTS / SERIES_METRICS_MAX, at / NEXTS % SERIES_METRICS_MAX,
                          at % NEXTS};
}

static uint32_t place_pack(struct place p)
{
    return (p.first * SERIES_METRICS_MAX + p.which) * NEXTS + p.next;
}

static bool are_one(const struct segment_metric *a, const struct segment_metric *b)
{
    return a != NULL && b != NULL && a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static bool is_first(const struct metrics *m, unsigned which)
{
    const struct segment_metric *metric = series_metric(m->segment, which);

    for (unsigned i = 0; i < which; i++)
        if (are_one(series_metric(m->segment, i), metric))
            return false;
    return metric != NULL;
}

/* tenant="a",plan="b" of the texts, which have a NUL between two. NULL: all are "(other)". */
static struct slice labels_of(const struct segment_metric *metric, const struct slice *texts,
                              char room[METRICS_LABELS_BYTES])
{
    struct slice names = slice_of(metric->labels), rest = texts != NULL ? *texts : SLICE("");
    size_t length = 0;

    while (names.length > 0) {
        struct slice name = slice_take_until(&names, ',');
        struct slice text = texts != NULL ? slice_take_until(&rest, '\0') : SLICE("(other)");
        char key[SERIES_LABELS_BYTES], one[METRICS_LABELS_BYTES];
        struct slice label;

        snprintf(key, sizeof key, "%.*s", (int)name.length, name.start);
        label = metrics_label(one, key, text);
        if (length + label.length + 1 > METRICS_LABELS_BYTES)
            break;
        if (length > 0)
            room[length++] = ',';
        memcpy(room + length, label.start, label.length);
        length += label.length;
    }
    return (struct slice){room, length};
}

static void put_value(struct metrics *m, const struct segment_metric *metric,
                      const struct slice *texts, const _Atomic uint64_t *value)
{
    char name[PREFIXED_BYTES], room[METRICS_LABELS_BYTES];

    snprintf(name, sizeof name, "lb_script_%s", metric->name);
    metrics_put_named(m, name, metric->kind == SERIES_TOTAL ? "_total" : "",
                      labels_of(metric, texts, room), series_value(value));
}

static void put_head(struct metrics *m, const struct segment_metric *metric)
{
    bool is_total = metric->kind == SERIES_TOTAL;
    char name[PREFIXED_BYTES];

    snprintf(name, sizeof name, "lb_script_%s", metric->name);
    metrics_put_head(m, name, is_total ? "A total of the script." : "A gauge of the script.",
                     is_total ? METRICS_COUNTER : METRICS_GAUGE);
}

/* True: the piece is full. */
static bool put_metric(struct metrics *m, struct place *p)
{
    const struct segment_metric *metric = series_metric(m->segment, p->which);
    unsigned count = series_count(m->segment);

    if (p->next == 0) {
        p->next = 1;
        if (metric->labels[0] == '\0' || atomic_load(&metric->has_others) != 0)
            put_value(m, metric, NULL, &metric->value);
    }
    while (p->next <= count && buffer_length(m->out) < ANSWER_PIECE_BYTES) {
        const struct segment_series *series = series_of(m->segment, p->which, p->next++ - 1);

        if (series != NULL)
            put_value(m, metric, &(struct slice){series->text, series->length}, &series->value);
    }
    return p->next <= count;
}

/* Of one name. True: the piece is full. */
static bool put_name(struct metrics *m, struct place *p)
{
    const struct segment_metric *first = series_metric(m->segment, p->first);

    if (p->which == 0)
        p->which = p->first;
    if (p->which == p->first && p->next == 0)
        put_head(m, first);
    for (; p->which < SERIES_METRICS_MAX; p->which++, p->next = 0)
        if (are_one(series_metric(m->segment, p->which), first) && put_metric(m, p))
            return true;
    return false;
}

void metrics_put_series(struct metrics *m)
{
    struct place p = place_at(m->at);

    m->at = 0;
    for (; p.first < SERIES_METRICS_MAX; p.first++, p.which = p.next = 0)
        if (is_first(m, p.first) && put_name(m, &p)) {
            m->at = place_pack(p);
            return;
        }
}
