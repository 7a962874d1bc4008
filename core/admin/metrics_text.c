#include "admin/metrics_inside.h"

#include "base/decimal.h"
#include "base/utf8.h"

#include <math.h>

enum { NAME_BYTES_MAX = 128, SAMPLE_BYTES_MAX = NAME_BYTES_MAX + 2 * METRICS_LABELS_BYTES + 64 };

static const char *const types[] = {[METRICS_COUNTER] = "counter",
                                    [METRICS_GAUGE] = "gauge",
                                    [METRICS_HISTOGRAM] = "histogram",
                                    [METRICS_INFO] = "info"};

void metrics_put_head(struct metrics *m, const char *name, const char *help, enum metrics_type type)
{
    const char *suffix = "";

    if (!m->is_open && type == METRICS_COUNTER)
        suffix = "_total";
    if (!m->is_open && type == METRICS_INFO) {
        suffix = "_info";
        type = METRICS_GAUGE;
    }
    buffer_printf(m->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
                  types[type]);
}

static char *put_sample(char *at, const char *name, const char *suffix, struct slice first,
                        struct slice second)
{
    at = slice_put(slice_put(at, slice_of(name)), slice_of(suffix));
    if (first.length + second.length > 0) {
        *at++ = '{';
        at = slice_put(at, first);
        if (first.length > 0 && second.length > 0)
            *at++ = ',';
        at = slice_put(at, second);
        *at++ = '}';
    }
    *at++ = ' ';
    return at;
}

static const char *suffix_of(const struct metrics *m)
{
    return m->family->type == METRICS_COUNTER ? "_total" : "";
}

static void end_sample(struct metrics *m, const char *start, char *at)
{
    *at++ = '\n';
    buffer_grow(m->out, (size_t)(at - start));
}

void metrics_put(struct metrics *m, struct slice first, struct slice second, uint64_t value)
{
    char *start = buffer_reserve(m->out, SAMPLE_BYTES_MAX);
    char *at = put_sample(start, m->family->name, suffix_of(m), first, second);

    end_sample(m, start, decimal_put(at, value));
}

/* As a decimal fraction, without zeros at its end. */
static char *put_millionths(char *at, uint64_t value)
{
    unsigned rest = (unsigned)(value % 1000000), digits = 6;

    at = decimal_put(at, value / 1000000);
    if (rest == 0)
        return at;
    *at++ = '.';
    at = decimal_put_three(at, rest / 1000);
    at = decimal_put_three(at, rest % 1000);
    for (; digits > 1 && at[-1] == '0'; digits--)
        at--;
    return at;
}

void metrics_put_micros(struct metrics *m, struct slice first, struct slice second,
                        uint64_t millionths)
{
    char *start = buffer_reserve(m->out, SAMPLE_BYTES_MAX);
    char *at = put_sample(start, m->family->name, suffix_of(m), first, second);

    end_sample(m, start, put_millionths(at, millionths));
}

static char *put_double(char *at, double value)
{
    if (isnan(value))
        return slice_put(at, SLICE("NaN"));
    if (isinf(value))
        return slice_put(at, value > 0 ? SLICE("+Inf") : SLICE("-Inf"));
    return at + decimal_of_double(value, at);
}

void metrics_put_named(struct metrics *m, const char *name, const char *suffix, struct slice labels,
                       double value)
{
    char *start = buffer_reserve(m->out, SAMPLE_BYTES_MAX);
    char *at = put_sample(start, name, suffix, labels, SLICE(""));

    end_sample(m, start, put_double(at, value));
}

void metrics_put_double(struct metrics *m, struct slice first, struct slice second, double value)
{
    char *start = buffer_reserve(m->out, SAMPLE_BYTES_MAX);
    char *at = put_sample(start, m->family->name, suffix_of(m), first, second);

    end_sample(m, start, put_double(at, value));
}

/* The next character of the text, as a label has it. */
static char *put_character(char *at, struct slice *text)
{
    char c = text->start[0];
    size_t length = (unsigned char)c < 0x80 ? 1 : utf8_length(*text);

    if (length == 0) {
        at = slice_put(at, SLICE("\xef\xbf\xbd"));
        length = 1;
    } else if (c == '\n') {
        at = slice_put(at, SLICE("\\n"));
    } else {
        if (c == '"' || c == '\\')
            *at++ = '\\';
        at = slice_put(at, (struct slice){text->start, length});
    }
    *text = slice_from(*text, length);
    return at;
}

struct slice metrics_label(char room[METRICS_LABELS_BYTES], const char *key, struct slice text)
{
    char *at = slice_put(slice_put(room, slice_of(key)), SLICE("=\""));

    while (text.length > 0 && at < room + METRICS_LABELS_BYTES - 8)
        at = put_character(at, &text);
    *at++ = '"';
    return (struct slice){room, (size_t)(at - room)};
}
