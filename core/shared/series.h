/*
 * series - the script's own metrics: lb.total and lb.gauge, one truth for all workers, kept over
 * reloads and the end of any process.
 *
 * A metric has one value, or one for each text that its labels have. There are at most as many
 * texts as the script allows and the segment has room for; what comes then is counted in one value
 * for all others, and the log says so once. No text is ever forgotten. lua/series.lua calls these
 * functions by name.
 */
#ifndef SHARED_SERIES_H
#define SHARED_SERIES_H

#include "base/slice.h"
#include "shared/segment.h"

enum series_kind { SERIES_TOTAL, SERIES_GAUGE };
enum { SERIES_NO_ROOM = -1, SERIES_OTHER_KIND = -2 }; /* in place of a metric */
enum { SERIES_OTHERS = -1 };                          /* in place of a series */

/* The metric of that name, kind and labels, made if it is new: its number. The name and the labels
 * fit (SERIES_NAME_BYTES, SERIES_LABELS_BYTES) and are letters, digits, "_" and commas. max: how
 * many texts its labels may have; the last word of all processes holds. */
int32_t series_declare(struct segment *, struct slice name, int32_t kind, struct slice labels,
                       uint32_t max);
/* The series of a text, made if it is new and there is room; else SERIES_OTHERS, as for a text that
 * is too long or no UTF-8. */
int32_t series_find(struct segment *, int32_t metric, struct slice text);
void series_add(struct segment *, int32_t metric, int32_t series, double amount);
void series_set(struct segment *, int32_t metric, int32_t series, double value);
/* The same, unless it is another value than `was` by now. */
void series_replace(struct segment *, int32_t metric, int32_t series, double was, double value);

/* For who reads them. The metric, or NULL: no script that serves has it. */
const struct segment_metric *series_metric(const struct segment *, unsigned metric);
/* The n-th of the list, or NULL: it is another metric's, or has no text yet. */
const struct segment_series *series_of(const struct segment *, unsigned metric, unsigned n);
unsigned series_count(const struct segment *); /* of the list */
double series_value(const _Atomic uint64_t *value);

#endif
