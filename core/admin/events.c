#include "admin/events.h"

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

enum answer_step events_stream(struct answer *a, struct buffer *out)
{
    char room[EVENT_BYTES];
    struct slice event;

    if (!a->is_endless)
        begin(a);
    while (buffer_length(out) < ANSWER_PIECE_BYTES / 2 &&
           (event = events_read(a->admin->segment, &a->at, room)).length > 0) {
        buffer_append_text(out, "event: log\ndata: ");
        buffer_append(out, event);
        buffer_append_text(out, "\n\n");
    }
    if (clock_steady_ms() >= a->until_ms) {
        put_summary(a->admin, out);
        a->until_ms += SUMMARY_MS;
        if (a->until_ms < clock_steady_ms())
            a->until_ms = clock_steady_ms() + SUMMARY_MS;
    }
    return ANSWER_WAITS;
}
