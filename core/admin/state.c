#include "admin/state.h"

#include "admin/backends.h"
#include "admin/json.h"
#include "admin/sources.h"
#include "base/clock.h"
#include "config/command_line.h"
#include "shared/board.h"

#include <math.h>

enum { STILL_MAX_MS = 5000, REASONS_MAX = 6 };

/* --- alive --- */

/* Has the supervisor moved lately? It is looked at when somebody asks. */
static bool is_alive(const struct segment *segment, uint64_t now_ms)
{
    static uint64_t last, since_ms;
    uint64_t pulse = atomic_load(&segment->supervisor_pulse);

    if (pulse != last || since_ms == 0) {
        last = pulse;
        since_ms = now_ms;
    }
    return now_ms - since_ms < STILL_MAX_MS;
}

enum answer_step state_live(struct answer *a, struct buffer *out)
{
    bool is = is_alive(a->admin->segment, clock_steady_ms());

    a->status = is ? 200 : 503;
    json_open(out, '{');
    json_flag(out, "live", is);
    json_close(out, '}');
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}

/* --- ready --- */

static unsigned workers_ready(const struct segment *segment)
{
    unsigned count = segment_workers(segment), ready = 0;

    for (unsigned i = 0; i < count; i++)
        ready += atomic_load(&segment->workers[i].ready) != 0;
    return ready;
}

bool state_lacks_backends(const struct segment *segment)
{
    unsigned count = atomic_load(&segment->backends_count), used = 0;
    uint64_t now_ms = clock_steady_ms();

    for (unsigned slot = 0; slot < count; slot++) {
        if (!segment_slot_is_used(segment, slot))
            continue;
        if (board_is_available(segment, slot, now_ms))
            return false;
        used++;
    }
    return used > 0;
}

static unsigned find_reasons(const struct segment *segment, const char *why[REASONS_MAX])
{
    unsigned count = 0;

    if (atomic_load(&segment->is_leaving) != 0)
        why[count++] = "draining";
    else if (atomic_load(&segment->listen_port) == 0)
        why[count++] = "starting";
    else if (workers_ready(segment) == 0)
        why[count++] = "no worker is ready";
    if (sources_lack_list(segment))
        why[count++] = "a source has not said which backends there are";
    if (state_lacks_backends(segment))
        why[count++] = "no backend is available";
    return count;
}

bool state_is_ready(const struct admin *admin)
{
    const char *why[REASONS_MAX];

    return find_reasons(admin->segment, why) == 0;
}

void state_list_reasons(const struct admin *admin, struct buffer *out)
{
    const char *why[REASONS_MAX];
    unsigned count = find_reasons(admin->segment, why);

    for (unsigned i = 0; i < count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        buffer_append_text(out, why[i]);
    }
}

void state_put_ready(const struct admin *admin, struct buffer *out)
{
    const char *why[REASONS_MAX];
    unsigned count = find_reasons(admin->segment, why);

    json_flag(out, "ready", count == 0);
    if (sources_stale_s(admin->segment) > 0)
        json_number(out, "stale_s", sources_stale_s(admin->segment));
    if (count == 0)
        return;
    json_open_in(out, "why", '[');
    for (unsigned i = 0; i < count; i++)
        json_text(out, NULL, why[i]);
    json_close(out, ']');
}

enum answer_step state_ready(struct answer *a, struct buffer *out)
{
    a->status = state_is_ready(a->admin) ? 200 : 503;
    json_open(out, '{');
    state_put_ready(a->admin, out);
    json_close(out, '}');
    buffer_append_byte(out, '\n');
    return ANSWER_DONE;
}

/* --- everything --- */

uint64_t state_total(const struct segment *s, unsigned total)
{
    unsigned workers = segment_workers(s);
    uint64_t sum = 0;

    for (unsigned i = 0; i < workers; i++)
        sum += totals_get(&s->totals[i].totals, total);
    for (unsigned i = SEGMENT_MONITOR; i < SEGMENT_PROCESSES; i++)
        sum += totals_get(&s->totals[i].totals, total);
    return sum;
}

/* How many requests were answered with what, and in what time: [[1,n],[2.5,n],..,[null,n]], each
 * with its bound in ms. */
static void put_answers(const struct segment *s, struct buffer *out)
{
    static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx", "499"};

    json_open_in(out, "answers", '{');
    for (unsigned i = 0; i < sizeof classes / sizeof *classes; i++)
        json_number(out, classes[i], state_total(s, TOTALS_1XX + i));
    json_close(out, '}');
    json_open_in(out, "durations", '[');
    for (unsigned i = 0; i <= TOTALS_BOUNDS; i++) {
        json_open(out, '[');
        json_double(out, NULL, i < TOTALS_BOUNDS ? (double)totals_bounds_us[i] / 1000 : INFINITY);
        json_number(out, NULL, state_total(s, TOTALS_WITHIN + i));
        json_close(out, ']');
    }
    json_close(out, ']');
}

void state_put_sums(const struct admin *admin, struct buffer *out)
{
    const struct segment *segment = admin->segment;
    unsigned count = segment_workers(segment);
    uint64_t clients = 0, requests = 0, waiting = 0, errors = 0, dropped = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct segment_worker *w = &segment->workers[i];

        clients += atomic_load_explicit(&w->clients, memory_order_relaxed);
        requests += atomic_load_explicit(&w->requests, memory_order_relaxed);
        waiting += atomic_load_explicit(&w->waiting, memory_order_relaxed);
        errors += atomic_load_explicit(&w->policy_errors, memory_order_relaxed);
        dropped += atomic_load_explicit(&w->lines_dropped, memory_order_relaxed);
    }
    json_seconds(out, "uptime_s", clock_steady_ms() - segment->started_ms);
    json_number(out, "clients", clients);
    json_number(out, "requests", requests);
    json_number(out, "waiting", waiting);
    json_number(out, "policy_errors", errors);
    json_number(out, "lines_dropped", dropped);
    json_flag(out, "panic", atomic_load(&segment->in_panic) != 0);
    json_flag(out, "parked", atomic_load(&segment->parking.parked) != 0);
    put_answers(segment, out);
}

static void put_worker(const struct segment_worker *w, unsigned number, struct buffer *out)
{
    json_open(out, '{');
    json_number(out, "worker", number);
    json_number(out, "pid", atomic_load(&w->pid));
    json_flag(out, "ready", atomic_load(&w->ready) != 0);
    json_number(out, "edition", atomic_load(&w->edition));
    json_number(out, "clients", atomic_load(&w->clients));
    json_number(out, "requests", atomic_load(&w->requests));
    json_close(out, '}');
}

static void put_head(const struct admin *admin, struct buffer *out)
{
    const struct segment *segment = admin->segment;
    unsigned count = segment_workers(segment);

    json_text(out, "version", VERSION);
    json_number(out, "pid", (uint64_t)admin->supervisor);
    json_text(out, "script", admin->script);
    json_number(out, "edition", atomic_load(admin->edition));
    state_put_ready(admin, out);
    state_put_sums(admin, out);
    json_open_in(out, "workers", '[');
    for (unsigned i = 0; i < count; i++)
        if (atomic_load(&segment->workers[i].pid) != 0)
            put_worker(&segment->workers[i], i + 1, out);
    json_close(out, ']');
}

static bool wants(const struct answer *a, struct slice part)
{
    struct slice list = answer_parameter(a, SLICE("part"));

    if (list.length == 0)
        return true;
    while (list.length > 0)
        if (slice_is(slice_take_until(&list, ','), part))
            return true;
    return false;
}

/* at: 0 before the head; then the next slot + 1. */
enum answer_step state_all(struct answer *a, struct buffer *out)
{
    bool has_backends = wants(a, SLICE("backends"));

    if (a->at == 0) {
        json_open(out, '{');
        if (wants(a, SLICE("lb")))
            put_head(a->admin, out);
        if (has_backends)
            json_open_in(out, "backends", '[');
        a->at = 1;
    }
    if (has_backends && !backends_put(a, 1, out))
        return ANSWER_MORE;
    buffer_append_text(out, has_backends ? "]}\n" : "}\n");
    return ANSWER_DONE;
}
