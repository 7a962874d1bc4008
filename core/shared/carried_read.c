#include "shared/carried.h"

#include "shared/backend_numbers.h"
#include "shared/carried_inside.h"
#include "shared/changed.h"
#include "shared/counters.h"
#include "shared/series.h"
#include "shared/store_merge.h"
#include "shared/table.h"

#include <string.h>

/* A record as it was when it was read here last, and as it is: that is the same or none if nothing
 * was. Either may have no kind: then there is none. */
struct pair {
    const struct record *was, *is;
};

static const struct record none;

static bool is_none(const struct record *r)
{
    return r->kind.length == 0;
}

/* The one that says what both are about. */
static const struct record *about(const struct pair *p)
{
    return is_none(p->is) ? p->was : p->is;
}

/* How much it has grown; what is gone has not. */
static uint64_t growth(const struct pair *p, const char *name)
{
    if (is_none(p->is))
        return 0;
    return record_number(p->is, name, 0) - record_number(p->was, name, 0);
}

/* --- values of scripts --- */

static bool parse_entry(const struct record *r, uint64_t zero_ms, struct table_value *value)
{
    struct slice text = record_bytes(r, "text");
    uint64_t number = record_number(r, "number", 0);

    if (is_none(r) || text.length > TABLE_TEXT_BYTES_MAX)
        return false;
    memcpy(&value->number, &number, sizeof number);
    value->expires_ms = record_number(r, "expires_ms", 0);
    if (value->expires_ms != 0 && value->expires_ms <= zero_ms) /* before the machine's start */
        return false;
    value->expires_ms -= value->expires_ms != 0 ? zero_ms : 0;
    value->is_kept = record_number(r, "kept", 0) != 0;
    value->is_sum = record_number(r, "sum", 0) != 0;
    value->type = (uint16_t)record_number(r, "type", TABLE_NUMBER);
    value->length = (uint32_t)text.length;
    slice_put(value->text, text);
    return true;
}

static bool read_entry(struct segment *s, uint64_t zero_ms, const struct pair *p)
{
    static struct table_value was, is;
    const struct record *r = about(p);
    struct slice key = record_bytes(r, "key");
    bool has_was = parse_entry(p->was, zero_ms, &was), has_is = parse_entry(p->is, zero_ms, &is);

    if (key.length == 0 || key.length > TABLE_KEY_BYTES_MAX)
        return false;
    if (!has_was && !has_is)
        return record_bytes(r, "text").length <= TABLE_TEXT_BYTES_MAX;
    return store_merge(s, key, (uint16_t)record_number(r, "group", 0), has_was ? &was : NULL,
                       has_is ? &is : NULL);
}

static bool read_counter(struct segment *s, const struct pair *p)
{
    struct segment_counter *c = counters_find(s, record_bytes(about(p), "name"));

    if (c != NULL)
        atomic_fetch_add(&c->value, growth(p, "value"));
    return c != NULL;
}

static double number_of(const struct record *r)
{
    uint64_t bits = record_number(r, "value", 0);
    double number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

/* A metric, or one of its series. What was set there counts only while nobody has set it here. */
static bool read_metric(struct segment *s, const struct pair *p, bool is_series)
{
    const struct record *r = about(p);
    struct slice name = record_bytes(r, "name"), labels = record_bytes(r, "labels");
    int32_t kind = (int32_t)record_number(r, "kind", SERIES_TOTAL);
    int32_t metric, series = SERIES_OTHERS;

    if (name.length >= SERIES_NAME_BYTES || labels.length >= SERIES_LABELS_BYTES)
        return false;
    metric = series_declare(s, name, kind, labels, (uint32_t)record_number(r, "max", 0));
    if (metric < 0)
        return false;
    if (is_series)
        series = series_find(s, metric, record_bytes(r, "text"));
    if (is_none(p->is) || (!is_series && record_number(r, "value", 0) == 0))
        return true;
    if (kind == SERIES_GAUGE)
        series_replace(s, metric, series, number_of(p->was), number_of(p->is));
    else
        series_add(s, metric, series, number_of(p->is) - number_of(p->was));
    return true;
}

/* False: it finds no room. */
static bool read_value(struct segment *s, uint64_t zero_ms, const struct pair *p)
{
    const struct record *r = about(p);

    if (record_is(r, "counter"))
        return read_counter(s, p);
    if (record_is(r, "metric") || record_is(r, "series"))
        return read_metric(s, p, record_is(r, "series"));
    return !record_is(r, "entry") || read_entry(s, zero_ms, p);
}

unsigned carried_read_values(struct segment *s, uint64_t zero_ms, struct slice text)
{
    unsigned lost = 0;
    struct record r;

    while (records_next(&text, &r)) {
        lost += !read_value(s, zero_ms, &(struct pair){&none, &r});
        if (record_is(&r, "started")) {
            s->started_ms = record_number(&r, "ms", 0);
            s->started_wall_us = record_number(&r, "wall_us", 0);
        }
    }
    return lost;
}

/* --- numbers of lb --- */

static void read_total(struct segment *s, unsigned base, const struct pair *p)
{
    int total = totals_find(record_bytes(about(p), "name"));

    if (total >= 0)
        atomic_fetch_add(&s->totals[base].totals.counts[total], growth(p, "value"));
}

static void read_workers(struct segment *s, unsigned base, const struct pair *p)
{
    char room[CARRIED_NAME_BYTES];

    for (unsigned i = 0; i < carried_worker_numbers; i++)
        carried_add_worker_number(&s->workers[base], i, growth(p, carried_worker_name(i, room)));
}

/* --- backends --- */

static unsigned find(const struct slots *slots, uint64_t identity)
{
    for (unsigned i = 0; identity != 0 && i < SEGMENT_BACKENDS_MAX; i++)
        if (slots->identity[i] == identity)
            return i;
    return SEGMENT_BACKENDS_MAX;
}

static void read_state(struct segment_backend *b, const struct pair *p)
{
    for (unsigned word = 0; word < carried_words; word++) {
        const char *name = carried_word_name(word);
        uint64_t now = carried_read_word(b, word), is = record_number(p->is, name, now);

        if (is_none(p->was) || record_number(p->was, name, is) != is)
            carried_write_word(b, word, is);
    }
}

static void read_numbers(struct segment *s, unsigned slot, unsigned base, const struct pair *p)
{
    struct segment_backend *b = segment_backend(s, slot);
    uint64_t outcomes[ATTEMPT_OUTCOMES];

    for (unsigned i = 0; i < ATTEMPT_OUTCOMES; i++)
        outcomes[i] = growth(p, attempt_outcome_name((enum attempt_outcome)i));
    numbers_add(s, base, slot, growth(p, "requests"), growth(p, "failures"), outcomes);
    atomic_fetch_add(&b->checks_passed, growth(p, "checks_passed"));
    atomic_fetch_add(&b->checks_failed, growth(p, "checks_failed"));
    atomic_fetch_add(&b->ejections, growth(p, "ejections"));
}

static void read_other(struct segment *s, const struct slots *slots, unsigned base,
                       const struct pair *p)
{
    const struct record *r = about(p);
    bool is_state = record_is(r, "state"), is_numbers = record_is(r, "numbers");
    unsigned slot = is_state || is_numbers ? find(slots, record_number(r, "identity", 0))
                                           : SEGMENT_BACKENDS_MAX;

    if (record_is(r, "total"))
        read_total(s, base, p);
    else if (record_is(r, "workers"))
        read_workers(s, base, p);
    else if (is_state && slot < SEGMENT_BACKENDS_MAX)
        read_state(segment_backend(s, slot), p);
    else if (is_numbers && slot < SEGMENT_BACKENDS_MAX)
        read_numbers(s, slot, base, p);
}

void carried_read_numbers(struct segment *s, const struct slots *slots, unsigned base,
                          struct slice text)
{
    struct record r;

    while (records_next(&text, &r))
        read_other(s, slots, base, &(struct pair){&none, &r});
    segment_note_change(s);
}

unsigned carried_read_changes(struct segment *s, const struct slots *slots, unsigned base,
                              struct slice text)
{
    struct record was, is;
    unsigned lost = 0;

    while (changed_next(&text, &was, &is)) {
        lost += !read_value(s, 0, &(struct pair){&was, &is});
        read_other(s, slots, base, &(struct pair){&was, &is});
    }
    segment_note_change(s);
    return lost;
}
