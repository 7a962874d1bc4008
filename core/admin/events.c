#include "admin/events.h"

#include "admin/backends.h"
#include "admin/json.h"
#include "admin/state.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "shared/events.h"

enum { LOOK_MS = 100, SUMMARY_MS = 1000 };

static void begin(struct answer *a)
{
    int last = decimal_parse(answer_parameter(a, SLICE("last")), EVENTS_KEPT);
    uint64_t next = events_next(a->admin->segment);

    a->type = "text/event-stream";
    a->is_endless = true;
    a->wait_ms = LOOK_MS;
    a->has_rows = slice_is(answer_parameter(a, SLICE("backends")), SLICE("1"));
    a->at = next;
    if (last > 0)
        a->at = next > (uint64_t)last ? next - (uint64_t)last : 0;
    a->until_ms = clock_steady_ms(); /* of the next summary */
}

static void put_summary(const struct admin *admin, struct buffer *out)
{
    buffer_append_text(out, "event: summary\ndata: ");
    json_open(out, '{');
    json_number(out, "edition", atomic_load(admin->edition));
    state_put_ready(admin, out);
    state_put_sums(admin, out);
    json_close(out, '}');
    buffer_append_text(out, "\n\n");
}

/* The next rows; row: the next slot + 1. False: more follow. */
static bool put_rows(struct answer *a, struct buffer *out)
{
    uint64_t count = atomic_load(&a->admin->segment->backends_count);

    buffer_append_text(out, "event: backends\ndata: {\"columns\":");
    buffer_append_text(out, backends_columns);
    json_open_in(out, "rows", '[');
    while (a->row <= count && buffer_length(out) < ANSWER_PIECE_BYTES)
        backends_put_row(a->admin, (unsigned)a->row++ - 1, out);
    buffer_append_text(out, "]}\n\n");
    if (a->row <= count)
        return false;
    a->row = 0;
    return true;
}

static void put_log(struct answer *a, struct buffer *out)
{
    char room[EVENT_BYTES];
    struct slice event;

    while (buffer_length(out) < ANSWER_PIECE_BYTES / 2 &&
           (event = events_read(a->admin->segment, &a->at, room)).length > 0) {
        buffer_append_text(out, "event: log\ndata: ");
        buffer_append(out, event);
        buffer_append_text(out, "\n\n");
    }
}

enum answer_step events_stream(struct answer *a, struct buffer *out)
{
    if (!a->is_endless)
        begin(a);
    put_log(a, out);
    if (a->row == 0 && clock_steady_ms() >= a->until_ms) {
        put_summary(a->admin, out);
        a->until_ms += SUMMARY_MS;
        if (a->until_ms < clock_steady_ms())
            a->until_ms = clock_steady_ms() + SUMMARY_MS;
        a->row = a->has_rows ? 1 : 0;
    }
    return a->row != 0 && !put_rows(a, out) ? ANSWER_MORE : ANSWER_WAITS;
}
