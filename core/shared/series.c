/*
 * A series is written whole before its number is put into a place, by compare-and-swap, so a place
 * is free or leads to a text that never changes. Of two processes that put the same text at once
 * one finds the other's; its own number is used by nobody, as is that of one that dies meanwhile.
 */
#include "shared/series.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/utf8.h"

#include <sched.h>

enum { METRIC_FREE, METRIC_BEING_NAMED, METRIC_NAMED, METRIC_ABANDONED };
enum { NAMING_PATIENCE_MS = 1000 };

/* --- metrics --- */

static bool metric_claim(struct segment_metric *m, struct slice name, int32_t kind,
                         struct slice labels)
{
    uint32_t expected = METRIC_FREE;

    if (!atomic_compare_exchange_strong(&m->state, &expected, METRIC_BEING_NAMED))
        return false;
    m->kind = (uint32_t)kind;
    memcpy(m->name, name.start, name.length);
    m->name[name.length] = '\0';
    memcpy(m->labels, labels.start, labels.length);
    m->labels[labels.length] = '\0';
    expected = METRIC_BEING_NAMED;
    return atomic_compare_exchange_strong(&m->state, &expected, METRIC_NAMED);
}

/* Naming takes nanoseconds; who takes longer has died there, or was stopped (shared/counters.c). */
static bool metric_is_named(struct segment_metric *m)
{
    uint64_t give_up_ms = clock_steady_ms() + NAMING_PATIENCE_MS;
    uint32_t expected = METRIC_BEING_NAMED;

    while (atomic_load(&m->state) == METRIC_BEING_NAMED && clock_steady_ms() < give_up_ms)
        sched_yield();
    (void)atomic_compare_exchange_strong(&m->state, &expected, METRIC_ABANDONED);
    return atomic_load(&m->state) == METRIC_NAMED;
}

static bool metric_is_of_other_kind(const struct segment_metric *m, struct slice name, int32_t kind)
{
    return m->kind != (uint32_t)kind && slice_is(slice_of(m->name), name) &&
           atomic_load(&m->is_shown) != 0;
}

/* A process that counts nothing only tries a script. */
static int32_t metric_take(struct segment_metric *m, int32_t number, uint32_t max)
{
    atomic_store(&m->series_max, max);
    if (totals_are_read())
        atomic_store(&m->is_shown, 1);
    return number;
}

int32_t series_declare(struct segment *segment, struct slice name, int32_t kind,
                       struct slice labels, uint32_t max)
{
    int32_t found = SERIES_NO_ROOM;

    CHECK(name.length < SERIES_NAME_BYTES && labels.length < SERIES_LABELS_BYTES);
    for (int32_t i = 0; i < SERIES_METRICS_MAX; i++) {
        struct segment_metric *m = &segment->own.metrics[i];

        if (found >= 0 && atomic_load(&m->state) == METRIC_FREE)
            break;
        if (found < 0 && metric_claim(m, name, kind, labels))
            return metric_take(m, i, max);
        if (!metric_is_named(m))
            continue;
        if (metric_is_of_other_kind(m, name, kind))
            return SERIES_OTHER_KIND;
        if (m->kind == (uint32_t)kind && slice_is(slice_of(m->name), name) &&
            slice_is(slice_of(m->labels), labels))
            found = i;
    }
    return found >= 0 ? metric_take(&segment->own.metrics[found], found, max) : found;
}

/* --- series --- */

struct wanted {
    uint32_t metric;
    struct slice text;
    uint64_t hash;
};

/* Clients may choose the text: with what they cannot know, they cannot find many of one place. */
static uint64_t text_hash(const struct segment *s, uint32_t metric, struct slice text)
{
    uint64_t secret = (uint64_t)s->ids_secret[0] << 32 | s->ids_secret[1];

    return hash_mix(hash_add(hash_mix(secret ^ metric), text));
}

static bool series_is(const struct segment_series *s, const struct wanted *w)
{
    return s->hash == w->hash && s->metric == w->metric &&
           slice_is((struct slice){s->text, s->length}, w->text);
}

/* The place where the text stands, or the free one where it would. There are twice as many as
 * series. */
static _Atomic uint32_t *place_of(struct segment *s, const struct wanted *w)
{
    uint32_t at = (uint32_t)(w->hash % SERIES_PLACES);

    for (;; at = (at + 1) % SERIES_PLACES) {
        uint32_t number = atomic_load(&s->own.places[at]);

        if (number == 0 || series_is(&s->own.list[number - 1], w))
            return &s->own.places[at];
    }
}

static int32_t series_at(struct segment *s, const _Atomic uint32_t *place)
{
    uint32_t number = atomic_load(place);

    if (number == 0)
        return SERIES_OTHERS;
    /* Also if it died that put it there. */
    if (atomic_load_explicit(&s->own.list[number - 1].is_named, memory_order_relaxed) == 0)
        atomic_store(&s->own.list[number - 1].is_named, 1);
    return (int32_t)(number - 1);
}

/* A number that nobody has; SERIES_MAX: there is none left. */
static uint32_t series_take(struct segment *s)
{
    uint32_t count = atomic_load(&s->own.count);

    while (count < SERIES_MAX && !atomic_compare_exchange_weak(&s->own.count, &count, count + 1))
        ;
    return count;
}

static bool metric_has_room(struct segment_metric *m)
{
    uint32_t count = atomic_load(&m->series);

    while (count < atomic_load(&m->series_max))
        if (atomic_compare_exchange_weak(&m->series, &count, count + 1))
            return true;
    return false;
}

static void tell_full(struct segment_metric *m)
{
    const char *max = LOG_NUMBER(atomic_load(&m->series));

    if (atomic_exchange(&m->was_told, 1) != 0)
        return;
    log_event(LOG_WARN, "metric_full", LOG_PAIRS({"metric", m->name}, {"#values", max}),
              "the metric '%s' has %s values of %s, or there is no room: all others count as "
              "\"(other)\"",
              m->name, max, m->labels);
}

static void series_write(struct segment_series *s, const struct wanted *w)
{
    s->metric = w->metric;
    s->hash = w->hash;
    s->length = (uint32_t)w->text.length;
    memcpy(s->text, w->text.start, w->text.length);
}

/* Room for it is there, and counted. */
static int32_t series_make(struct segment *s, const struct wanted *w)
{
    uint32_t mine = series_take(s), none = 0;
    _Atomic uint32_t *place = place_of(s, w);

    if (mine < SERIES_MAX)
        series_write(&s->own.list[mine], w);
    while (mine < SERIES_MAX && atomic_load(place) == 0 &&
           !atomic_compare_exchange_strong(place, &none, mine + 1)) {
        none = 0;
        place = place_of(s, w);
    }
    if (atomic_load(place) != mine + 1)
        atomic_fetch_sub(&s->own.metrics[w->metric].series, 1);
    return series_at(s, place);
}

static bool text_is_good(struct slice text)
{
    return text.length <= SERIES_TEXT_BYTES && utf8_prefix(text) == text.length;
}

int32_t series_find(struct segment *segment, int32_t metric, struct slice text)
{
    struct segment_metric *m = &segment->own.metrics[metric];
    struct wanted w = {.metric = (uint32_t)metric, .text = text};
    int32_t found = SERIES_OTHERS;

    CHECK(metric >= 0 && metric < SERIES_METRICS_MAX);
    if (!text_is_good(text))
        return SERIES_OTHERS;
    w.hash = text_hash(segment, w.metric, text);
    found = series_at(segment, place_of(segment, &w));
    if (found == SERIES_OTHERS && metric_has_room(m))
        found = series_make(segment, &w);
    if (found == SERIES_OTHERS)
        tell_full(m);
    return found;
}

/* --- values --- */

static _Atomic uint64_t *value_of(struct segment *s, int32_t metric, int32_t series)
{
    CHECK(metric >= 0 && metric < SERIES_METRICS_MAX && series < SERIES_MAX);
    if (series >= 0)
        return &s->own.list[series].value;
    if (atomic_load_explicit(&s->own.metrics[metric].has_others, memory_order_relaxed) == 0)
        atomic_store(&s->own.metrics[metric].has_others, 1);
    return &s->own.metrics[metric].value;
}

static uint64_t bits_of(double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static double number_of(uint64_t bits)
{
    double number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

void series_add(struct segment *s, int32_t metric, int32_t series, double amount)
{
    _Atomic uint64_t *value = value_of(s, metric, series);
    uint64_t bits = atomic_load(value);

    while (!atomic_compare_exchange_weak(value, &bits, bits_of(number_of(bits) + amount)))
        ;
}

void series_set(struct segment *s, int32_t metric, int32_t series, double number)
{
    atomic_store(value_of(s, metric, series), bits_of(number));
}

void series_replace(struct segment *s, int32_t metric, int32_t series, double was, double number)
{
    uint64_t expected = bits_of(was);

    (void)atomic_compare_exchange_strong(value_of(s, metric, series), &expected, bits_of(number));
}

/* --- for who reads them --- */

const struct segment_metric *series_metric(const struct segment *s, unsigned metric)
{
    const struct segment_metric *m = &s->own.metrics[metric];

    CHECK(metric < SERIES_METRICS_MAX);
    return atomic_load(&m->state) == METRIC_NAMED && atomic_load(&m->is_shown) != 0 ? m : NULL;
}

unsigned series_count(const struct segment *s)
{
    return atomic_load(&s->own.count);
}

const struct segment_series *series_of(const struct segment *s, unsigned metric, unsigned n)
{
    const struct segment_series *series = &s->own.list[n];

    CHECK(n < SERIES_MAX);
    return atomic_load(&series->is_named) != 0 && series->metric == metric ? series : NULL;
}

double series_value(const _Atomic uint64_t *value)
{
    return number_of(atomic_load(value));
}
