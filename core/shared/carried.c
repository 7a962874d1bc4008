#include "shared/carried.h"

#include "shared/backend_numbers.h"
#include "shared/carried_inside.h"
#include "shared/cells.h"
#include "shared/counters.h"
#include "shared/series.h"
#include "shared/table.h"

#include <string.h>

/* --- out --- */

static void write_counters(const struct segment *s, struct buffer *out)
{
    for (unsigned i = 0; i < SEGMENT_COUNTERS_MAX; i++) {
        const struct segment_counter *c = &s->counters[i];
        size_t begun;

        if (!counters_is_named(c))
            continue;
        begun = records_begin(out, "counter");
        records_add(out, "name", slice_of(c->name));
        records_add_number(out, "value", atomic_load(&c->value));
        records_end(out, begun);
    }
}

static void name_metric(const struct segment_metric *m, struct buffer *out)
{
    records_add(out, "name", slice_of(m->name));
    records_add_number(out, "kind", m->kind);
    records_add(out, "labels", slice_of(m->labels));
    records_add_number(out, "max", atomic_load(&m->series_max));
}

static void write_series(const struct segment *s, unsigned metric, struct buffer *out)
{
    unsigned count = series_count(s);

    for (unsigned n = 0; n < count; n++) {
        const struct segment_series *series = series_of(s, metric, n);
        size_t begun;

        if (series == NULL)
            continue;
        begun = records_begin(out, "series");
        name_metric(series_metric(s, metric), out);
        records_add(out, "text", (struct slice){series->text, series->length});
        records_add_number(out, "value", atomic_load(&series->value));
        records_end(out, begun);
    }
}

static void write_metrics(const struct segment *s, struct buffer *out)
{
    for (unsigned i = 0; i < SERIES_METRICS_MAX; i++) {
        const struct segment_metric *m = series_metric(s, i);
        size_t begun;

        if (m == NULL)
            continue;
        begun = records_begin(out, "metric");
        name_metric(m, out);
        if (atomic_load(&m->has_others) != 0)
            records_add_number(out, "value", atomic_load(&m->value));
        records_end(out, begun);
        write_series(s, i, out);
    }
}

static void write_entry(struct slice key, uint16_t group, const struct table_value *value,
                        struct buffer *out)
{
    size_t begun = records_begin(out, "entry");
    uint64_t number;

    memcpy(&number, &value->number, sizeof number);
    records_add(out, "key", key);
    records_add_number(out, "group", group);
    records_add_number(out, "expires_ms", value->expires_ms);
    records_add_number(out, "kept", value->is_kept);
    records_add_number(out, "sum", value->is_sum);
    records_add_number(out, "type", value->type);
    records_add_number(out, "number", number);
    if (value->type == TABLE_TEXT)
        records_add(out, "text", (struct slice){value->text, value->length});
    records_end(out, begun);
}

/* A cell says which key there may be, and the table what it has now. */
static void write_entries(struct table *t, bool only_kept, uint64_t zero_ms, struct buffer *out)
{
    static struct table_value value;
    char room[TABLE_KEY_BYTES_MAX];

    for (uint32_t cell = 0; cell < cells_ever_used(t); cell++) {
        struct slice key;
        uint16_t group;

        if (!cell_read_key(t, cell, room, &key, &group) || !table_read(t, key, &value) ||
            (only_kept && !value.is_kept))
            continue;
        value.expires_ms += value.expires_ms != 0 ? zero_ms : 0;
        write_entry(key, group, &value, out);
    }
}

void carried_write_kept(struct segment *s, uint64_t zero_ms, struct buffer *out)
{
    write_entries(&s->table, true, zero_ms, out);
}

/* --- numbers, summed over all processes --- */

static void write_totals(const struct segment *s, struct buffer *out)
{
    for (unsigned i = 0; i < TOTALS_COUNTS; i++) {
        char room[TOTALS_NAME_BYTES];
        uint64_t sum = 0;
        size_t begun;

        for (unsigned p = 0; p < SEGMENT_PROCESSES; p++)
            if (p < segment_workers(s) || p >= SEGMENT_MONITOR)
                sum += totals_get(&s->totals[p].totals, i);
        if (sum == 0)
            continue;
        begun = records_begin(out, "total");
        records_add(out, "name", slice_of(totals_name(i, room)));
        records_add_number(out, "value", sum);
        records_end(out, begun);
    }
}

static void write_workers(const struct segment *s, struct buffer *out)
{
    size_t begun = records_begin(out, "workers");

    for (unsigned i = 0; i < carried_worker_numbers; i++) {
        char room[CARRIED_NAME_BYTES];
        uint64_t sum = 0;

        for (unsigned w = 0; w < segment_workers(s); w++)
            sum += carried_worker_number(&s->workers[w], i);
        records_add_number(out, carried_worker_name(i, room), sum);
    }
    records_end(out, begun);
}

static void write_started(const struct segment *s, struct buffer *out)
{
    size_t begun = records_begin(out, "started");

    records_add_number(out, "ms", s->started_ms);
    records_add_number(out, "wall_us", s->started_wall_us);
    records_end(out, begun);
}

static void write_numbers(const struct segment *s, unsigned slot, uint64_t identity,
                          struct buffer *out)
{
    const struct segment_backend *b = &s->backends[slot];
    uint64_t sums[ATTEMPT_OUTCOMES];
    size_t begun = records_begin(out, "numbers");

    numbers_outcomes(s, slot, sums);
    records_add_number(out, "identity", identity);
    records_add_number(out, "requests", numbers_requests(s, slot));
    records_add_number(out, "failures", numbers_failures(s, slot));
    records_add_number(out, "checks_passed", atomic_load(&b->checks_passed));
    records_add_number(out, "checks_failed", atomic_load(&b->checks_failed));
    records_add_number(out, "ejections", atomic_load(&b->ejections));
    for (unsigned i = 0; i < ATTEMPT_OUTCOMES; i++)
        if (sums[i] > 0)
            records_add_number(out, attempt_outcome_name((enum attempt_outcome)i), sums[i]);
    records_end(out, begun);
}

void carried_write(struct segment *s, const struct slots *slots, struct buffer *out)
{
    write_started(s, out);
    write_counters(s, out);
    write_metrics(s, out);
    write_totals(s, out);
    write_workers(s, out);
    write_entries(&s->table, false, 0, out);
    for (unsigned i = 0; i < SEGMENT_BACKENDS_MAX; i++) {
        size_t begun;

        if (!slots_has(slots, i))
            continue;
        begun = records_begin(out, "state");
        records_add_number(out, "identity", slots->identity[i]);
        for (unsigned word = 0; word < carried_words; word++)
            records_add_number(out, carried_word_name(word),
                               carried_read_word(segment_backend(s, i), word));
        records_end(out, begun);
        write_numbers(s, i, slots->identity[i], out);
    }
}
