/*
 * metrics_inside - a page under way, for the files that write it: metrics.c, its order and its
 * pieces; metrics_families.c, what there is; metrics_series.c, the scripts' own; metrics_text.c,
 * how it is spelt.
 */
#ifndef ADMIN_METRICS_INSIDE_H
#define ADMIN_METRICS_INSIDE_H

#include "admin/answer.h"

enum { METRICS_LABELS_BYTES = 1024 };

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM, METRICS_INFO };

struct metrics {
    const struct admin *admin;
    struct segment *segment;
    struct buffer *out;
    const struct metrics_family *family;
    bool is_open; /* OpenMetrics */
    uint64_t now_ms;
    uint32_t at; /* where a family goes on that comes in pieces: from 0 */
};

/* One value of the label of a family of counts, and which of the totals it has. */
struct metrics_count {
    const char *value;
    unsigned total;
};

struct metrics_family {
    const char *name, *help; /* without the "_total" of a counter */
    enum metrics_type type;
    /* One of these three: */
    const char *label;
    struct metrics_count counts[10]; /* up to the first without a value */
    void (*write)(struct metrics *);
    void (*write_backend)(struct metrics *, unsigned slot, struct slice label);
    /* Of those with `write`: more follows, from m->at on. */
    bool has_pieces;
};

extern const struct metrics_family metrics_families[];
extern const unsigned metrics_families_count;

/* --- metrics_text.c --- */

/* "# HELP" and "# TYPE" of the family. */
void metrics_put_head(struct metrics *, const char *name, const char *help, enum metrics_type);
/* name{first,second} 12: the labels are key="value" in full, or empty. The family's name, and its
 * "_total" for a counter. */
void metrics_put(struct metrics *, struct slice first, struct slice second, uint64_t value);
void metrics_put_double(struct metrics *, struct slice first, struct slice second, double value);
void metrics_put_micros(struct metrics *, struct slice first, struct slice second,
                        uint64_t millionths);
/* The same of another name. */
void metrics_put_named(struct metrics *, const char *name, const char *suffix, struct slice labels,
                       double value);
/* key="text", escaped: up to METRICS_LABELS_BYTES. What is no UTF-8 becomes U+FFFD. */
struct slice metrics_label(char room[METRICS_LABELS_BYTES], const char *key, struct slice text);

/* --- metrics_series.c --- */

void metrics_put_series(struct metrics *); /* the scripts' own; m->at is 0 again at their end */

/* --- metrics_sources.c --- */

void metrics_put_found(struct metrics *);
void metrics_put_found_age(struct metrics *);
void metrics_put_found_lists(struct metrics *);

/* --- metrics_families.c --- */

uint64_t metrics_sum(const struct metrics *, unsigned total); /* over all processes */

#endif
