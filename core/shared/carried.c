#include "shared/carried.h"

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

/* Facts of a backend that are a word each. */
static const struct {
    const char *name;
    size_t at;
    bool is_long;
} words[] = {
    {"verdict", offsetof(struct segment_backend, verdict), true},
    {"ejection", offsetof(struct segment_backend, ejection), true},
    {"draining", offsetof(struct segment_backend, draining), false},
    {"weight", offsetof(struct segment_backend, weight), false},
    {"weight_known", offsetof(struct segment_backend, weight_known), false},
    {"back_ms", offsetof(struct segment_backend, back_ms), true},
    {"ejected_ms", offsetof(struct segment_backend, ejected_ms), true},
    {"drained_ms", offsetof(struct segment_backend, drained_ms), true},
    {"failures_in_row", offsetof(struct segment_backend, failures_in_row), false},
    {"by_admin", offsetof(struct segment_backend, by_admin), false},
    {"script_drains", offsetof(struct segment_backend, script_drains), false},
    {"script_weight", offsetof(struct segment_backend, script_weight), false},
};

enum { WORDS = sizeof words / sizeof *words };

static uint64_t read_word(const struct segment_backend *b, unsigned word)
{
    const char *at = (const char *)b + words[word].at;

    return words[word].is_long ? atomic_load((const _Atomic uint64_t *)(const void *)at)
                               : atomic_load((const _Atomic uint32_t *)(const void *)at);
}

static void write_word(struct segment_backend *b, unsigned word, uint64_t value)
{
    char *at = (char *)b + words[word].at;

    if (words[word].is_long)
        atomic_store((_Atomic uint64_t *)(void *)at, value);
    else
        atomic_store((_Atomic uint32_t *)(void *)at, (uint32_t)value);
}

void carried_write(struct segment *s, const struct slots *slots, struct buffer *out)
{
    write_counters(s, out);
    write_metrics(s, out);
    write_entries(&s->table, false, 0, out);
    for (unsigned i = 0; i < SEGMENT_BACKENDS_MAX; i++) {
        size_t begun;

        if (!slots_has(slots, i))
            continue;
        begun = records_begin(out, "state");
        records_add_number(out, "identity", slots->identity[i]);
        for (unsigned word = 0; word < WORDS; word++)
            records_add_number(out, words[word].name, read_word(segment_backend(s, i), word));
        records_end(out, begun);
    }
}

/* --- in --- */

static enum table_decision put(void *data, const struct table_value *old, struct table_value *now)
{
    (void)old;
    *now = *(const struct table_value *)data;
    return TABLE_REPLACE;
}

static bool read_entry(struct segment *s, uint64_t zero_ms, const struct record *r)
{
    static struct table_value value;
    struct slice key = record_bytes(r, "key"), text = record_bytes(r, "text");
    uint64_t number = record_number(r, "number", 0);

    if (key.length == 0 || key.length > TABLE_KEY_BYTES_MAX || text.length > TABLE_TEXT_BYTES_MAX)
        return false;
    memcpy(&value.number, &number, sizeof number);
    value.expires_ms = record_number(r, "expires_ms", 0);
    if (value.expires_ms != 0 && value.expires_ms <= zero_ms) /* before the machine's start */
        return true;
    value.expires_ms -= value.expires_ms != 0 ? zero_ms : 0;
    value.is_kept = record_number(r, "kept", 0) != 0;
    value.type = (uint16_t)record_number(r, "type", TABLE_NUMBER);
    value.length = (uint32_t)text.length;
    slice_put(value.text, text);
    return table_update(&s->table, key, (uint16_t)record_number(r, "group", 0), put, &value) ==
           TABLE_DONE;
}

static bool read_counter(struct segment *s, const struct record *r)
{
    struct segment_counter *c = counters_find(s, record_bytes(r, "name"));

    if (c != NULL)
        atomic_fetch_add(&c->value, record_number(r, "value", 0));
    return c != NULL;
}

/* A metric, or one of its series. */
static bool read_metric(struct segment *s, const struct record *r, bool is_series)
{
    struct slice name = record_bytes(r, "name"), labels = record_bytes(r, "labels");
    uint64_t bits = record_number(r, "value", 0);
    int32_t metric, series = SERIES_OTHERS;
    double value;

    if (name.length >= SERIES_NAME_BYTES || labels.length >= SERIES_LABELS_BYTES)
        return false;
    metric = series_declare(s, name, (int32_t)record_number(r, "kind", SERIES_TOTAL), labels,
                            (uint32_t)record_number(r, "max", 0));
    if (metric < 0)
        return false;
    if (is_series)
        series = series_find(s, metric, record_bytes(r, "text"));
    memcpy(&value, &bits, sizeof value);
    if (is_series || bits != 0)
        series_add(s, metric, series, value);
    return true;
}

unsigned carried_read_values(struct segment *s, uint64_t zero_ms, struct slice text)
{
    unsigned lost = 0;
    struct record r;

    while (records_next(&text, &r)) {
        if (record_is(&r, "counter"))
            lost += !read_counter(s, &r);
        else if (record_is(&r, "metric") || record_is(&r, "series"))
            lost += !read_metric(s, &r, record_is(&r, "series"));
        else if (record_is(&r, "entry"))
            lost += !read_entry(s, zero_ms, &r);
    }
    return lost;
}

static struct segment_backend *find(struct segment *s, const struct slots *slots, uint64_t identity)
{
    for (unsigned i = 0; identity != 0 && i < SEGMENT_BACKENDS_MAX; i++)
        if (slots->identity[i] == identity)
            return segment_backend(s, i);
    return NULL;
}

void carried_read_backends(struct segment *s, const struct slots *slots, struct slice text)
{
    struct record r;

    while (records_next(&text, &r)) {
        struct segment_backend *b =
            record_is(&r, "state") ? find(s, slots, record_number(&r, "identity", 0)) : NULL;

        for (unsigned word = 0; b != NULL && word < WORDS; word++)
            write_word(b, word, record_number(&r, words[word].name, read_word(b, word)));
    }
    segment_note_change(s);
}
