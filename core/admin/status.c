#include "admin/status.h"

#include "admin/backends.h"
#include "admin/state.h"
#include "base/clock.h"
#include "base/log_text.h"
#include "config/command_line.h"
#include "shared/backend_numbers.h"
#include "shared/backend_standing.h"
#include "shared/steer.h"
#include "shared/weight.h"

#include <stdio.h>

enum { NAME_COLUMNS = 24, TEXT_BYTES_MAX = 300 };

/* A name may hold what a terminal obeys. */
static void put_shown(struct buffer *out, const char *text, size_t columns)
{
    size_t before = buffer_length(out);
    char *start = buffer_reserve(out, TEXT_BYTES_MAX + LOG_CUT_BYTES);

    buffer_grow(out,
                (size_t)(log_put_escaped(start, slice_of(text), TEXT_BYTES_MAX, LOG_TEXT) - start));
    while (buffer_length(out) - before < columns)
        buffer_append_byte(out, ' ');
}

/* "40 s", "3 min", "2 h", "5 d" */
static void put_since(struct buffer *out, uint64_t ms)
{
    uint64_t s = ms / 1000;
    char text[32];

    if (s < 120)
        snprintf(text, sizeof text, "%u s", (unsigned)s);
    else if (s < 7200)
        snprintf(text, sizeof text, "%u min", (unsigned)(s / 60));
    else if (s < 172800)
        snprintf(text, sizeof text, "%u h", (unsigned)(s / 3600));
    else
        snprintf(text, sizeof text, "%u d", (unsigned)(s / 86400));
    buffer_printf(out, " %8s", text);
}

static void put_why(struct buffer *out, const struct segment *segment, unsigned slot,
                    uint64_t now_ms)
{
    struct buffer why = {0};

    buffer_append_text(out, "  ");
    backends_put_why(segment, slot, now_ms, &why);
    put_shown(out, buffer_text(&why), 0);
    buffer_dispose(&why);
}

static void put_backend(const struct admin *admin, unsigned slot, struct buffer *out)
{
    struct segment *segment = admin->segment;
    uint64_t now_ms = clock_steady_ms(), since_ms = standing_since_ms(segment, slot, now_ms);
    struct roster_entry who;

    if (!segment_slot_is_used(segment, slot) || !roster_read(segment, slot, &who))
        return;
    put_shown(out, who.name, NAME_COLUMNS);
    buffer_printf(out, " %-9s", backends_standing_name(segment, slot, now_ms));
    put_since(out, now_ms > since_ms ? now_ms - since_ms : 0);
    buffer_printf(out, " %9u %7u%c %10llu %8llu %9.1f %7.1f", numbers_in_flight(segment, slot),
                  weight_of(segment, slot, who.weight),
                  steer_has_weighed(segment, slot, who.weight) ? '*' : ' ',
                  (unsigned long long)numbers_requests(segment, slot),
                  (unsigned long long)numbers_failures(segment, slot),
                  numbers_ewma_ms(segment, slot, now_ms),
                  100 * numbers_error_rate(segment, slot, now_ms));
    put_why(out, segment, slot, now_ms);
    while (buffer_length(out) > 0 && out->bytes[out->end - 1] == ' ')
        out->end--;
    buffer_append_byte(out, '\n');
}

static void put_head(const struct admin *admin, struct buffer *out)
{
    const struct segment *segment = admin->segment;

    buffer_printf(out, "lb %s, process %ld, edition %llu of ", VERSION, (long)admin->supervisor,
                  (unsigned long long)atomic_load(admin->edition));
    put_shown(out, admin->script, 0);
    buffer_append_text(out, ", for");
    put_since(out, clock_steady_ms() - segment->started_ms);
    buffer_append_byte(out, '\n');
    buffer_append_text(out, state_is_ready(admin) ? "ready" : "not ready: ");
    state_list_reasons(admin, out);
    buffer_append_text(out, "\n\n");
}

static const char table_head[] =
    "backend                  state          for in flight  weight    requests   failed   ewma ms "
    "error %\n";

/* at: 0 before the first byte; then the next slot + 1. */
enum answer_step status_text(struct answer *a, struct buffer *out)
{
    uint64_t count = atomic_load(&a->admin->segment->backends_count);

    a->type = "text/plain; charset=utf-8";
    if (a->at == 0) {
        if (!slice_is(answer_parameter(a, SLICE("part")), SLICE("backends")))
            put_head(a->admin, out);
        buffer_append_text(out, table_head);
        a->at = 1;
    }
    for (; a->at - 1 < count; a->at++) {
        if (buffer_length(out) >= ANSWER_PIECE_BYTES)
            return ANSWER_MORE;
        put_backend(a->admin, (unsigned)(a->at - 1), out);
    }
    return ANSWER_DONE;
}
