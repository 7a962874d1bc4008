#include "admin/metrics_inside.h"

#include "admin/processes.h"
#include "admin/state.h"
#include "config/command_line.h"
#include "lua/sandbox.h"
#include "net/loop.h"
#include "net/tls.h"
#include "shared/backend_numbers.h"
#include "shared/backend_standing.h"
#include "shared/hooks.h"
#include "shared/weight.h"

#include <math.h>
#include <stdio.h>

uint64_t metrics_sum(const struct metrics *m, unsigned total)
{
    return state_total(m->segment, total);
}

static uint64_t sum_of_workers(const struct segment *s, size_t at)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < segment_workers(s); i++)
        sum += atomic_load_explicit((const _Atomic uint64_t *)((const char *)&s->workers[i] + at),
                                    memory_order_relaxed);
    return sum;
}

static void put_alone(struct metrics *m, uint64_t value)
{
    metrics_put(m, SLICE(""), SLICE(""), value);
}

/* --- lb itself --- */

static void put_build(struct metrics *m)
{
    char room[3][METRICS_LABELS_BYTES], both[METRICS_LABELS_BYTES];
    struct slice uv = metrics_label(room[1], "libuv", slice_of(uv_version_string()));
    struct slice luajit = metrics_label(room[2], "luajit", slice_of(sandbox_library_version()));
    int length = snprintf(both, sizeof both, "version=\"%s\",%.*s,%.*s", VERSION, (int)uv.length,
                          uv.start, (int)luajit.length, luajit.start);

    metrics_put_named(m, m->family->name, "_info", (struct slice){both, (size_t)length}, 1);
}

static void put_start(struct metrics *m)
{
    metrics_put_micros(m, SLICE(""), SLICE(""), m->segment->started_wall_us);
}

static void put_edition(struct metrics *m)
{
    put_alone(m, atomic_load(m->admin->edition));
}

static void put_ready(struct metrics *m)
{
    put_alone(m, state_is_ready(m->admin));
}

static void put_draining(struct metrics *m)
{
    put_alone(m, atomic_load(&m->segment->is_leaving) != 0);
}

static void put_workers(struct metrics *m)
{
    unsigned ready = 0, not_ready = 0;

    for (unsigned i = 0; i < segment_workers(m->segment); i++) {
        const struct segment_worker *worker = &m->segment->workers[i];
        bool is_ready = atomic_load(&worker->ready) != 0;

        ready += is_ready;
        not_ready += !is_ready && atomic_load(&worker->pid) != 0;
    }
    metrics_put(m, SLICE("state=\"ready\""), SLICE(""), ready);
    metrics_put(m, SLICE("state=\"not_ready\""), SLICE(""), not_ready);
}

/* --- what goes on --- */

static void put_clients(struct metrics *m)
{
    put_alone(m, sum_of_workers(m->segment, offsetof(struct segment_worker, clients)));
}

/* What each worker may have by its open files; and limits.connections. */
static void put_clients_limit(struct metrics *m)
{
    uint64_t sum = 0, most = UINT64_MAX;

    for (unsigned i = 0; i < segment_workers(m->segment); i++) {
        const struct segment_worker *worker = &m->segment->workers[i];

        if (atomic_load(&worker->ready) == 0)
            continue;
        sum += atomic_load(&worker->clients_most);
        most = atomic_load(&worker->clients_most_of_all);
    }
    put_alone(m, sum < most ? sum : most);
}

static void put_waiting(struct metrics *m)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < segment_workers(m->segment); i++)
        sum += atomic_load_explicit(&m->segment->workers[i].waiting, memory_order_relaxed);
    put_alone(m, sum);
}

static void put_dropped(struct metrics *m)
{
    put_alone(m, sum_of_workers(m->segment, offsetof(struct segment_worker, lines_dropped)));
}

/* A histogram from the totals at `first`: how many are within each bound, and beyond; the sum of
 * all in microseconds. labels: of each line, with a comma behind them, or empty. */
static void put_histogram(struct metrics *m, unsigned first, const char *const *bounds,
                          const char *labels)
{
    char text[64];
    size_t length = strlen(labels);
    struct slice bare = {labels, length > 0 ? length - 1 : 0};
    uint64_t sum = 0;

    for (; *bounds != NULL; bounds++) {
        sum += metrics_sum(m, first++);
        snprintf(text, sizeof text, "%sle=\"%s\"", labels, *bounds);
        metrics_put_named(m, m->family->name, "_bucket", slice_of(text), (double)sum);
    }
    metrics_put_named(m, m->family->name, "_sum", bare, (double)metrics_sum(m, first) / 1e6);
    metrics_put_named(m, m->family->name, "_count", bare, (double)sum);
}

static void put_durations(struct metrics *m)
{
    static const char *const bounds[TOTALS_BOUNDS + 2] = {
        "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1",  "0.25",
        "0.5",   "1.0",    "2.5",   "5.0",  "10.0",  "30.0", "+Inf", NULL};

    put_histogram(m, TOTALS_WITHIN, bounds, "");
}

static void put_calls(struct metrics *m)
{
    static const char *const bounds[TOTALS_CALL_BOUNDS + 2] = {
        "1e-05", "5e-05", "0.0001", "0.0005", "0.001", "0.005", "0.01", "0.1", "1.0", "+Inf", NULL};

    for (unsigned hook = 0; hook < TOTALS_CALL_HOOKS; hook++) {
        char label[32];

        snprintf(label, sizeof label, "hook=\"%s\",", hook_name((enum hook)hook));
        put_histogram(m, TOTALS_CALLS + hook * TOTALS_CALL_EACH, bounds, label);
    }
}

static void put_panic(struct metrics *m)
{
    put_alone(m, atomic_load(&m->segment->in_panic) != 0);
}

/* --- backends --- */

enum { STANDINGS = STANDING_DRAINING + 1 };

static const char *const state_labels[] = {
    [STANDING_UP] = "state=\"up\"",
    [STANDING_DOWN] = "state=\"down\"",
    [STANDING_EJECTED] = "state=\"ejected\"",
    [STANDING_DRAINING] = "state=\"draining\"",
};

/* How a try has not ended at this backend so far has no line. */
static void put_tries(struct metrics *m, unsigned slot, struct slice label)
{
    uint64_t sums[ATTEMPT_OUTCOMES];
    char room[METRICS_LABELS_BYTES];

    numbers_outcomes(m->segment, slot, sums);
    for (unsigned i = ATTEMPT_OK; i < ATTEMPT_OUTCOMES; i++)
        if (sums[i] > 0 || i == ATTEMPT_OK)
            metrics_put(m, label,
                        metrics_label(room, "outcome",
                                      slice_of(attempt_outcome_name((enum attempt_outcome)i))),
                        sums[i]);
}

static void put_state(struct metrics *m, unsigned slot, struct slice label)
{
    enum backend_standing standing = standing_of(m->segment, slot, m->now_ms);

    for (unsigned i = 0; i < STANDINGS; i++)
        metrics_put(m, label, slice_of(state_labels[i]), i == standing);
}

static void put_in_flight(struct metrics *m, unsigned slot, struct slice label)
{
    metrics_put(m, label, SLICE(""), numbers_in_flight(m->segment, slot));
}

static void put_pending(struct metrics *m, unsigned slot, struct slice label)
{
    metrics_put(m, label, SLICE(""), numbers_pending(m->segment, slot));
}

static void put_connections(struct metrics *m, unsigned slot, struct slice label)
{
    uint64_t open, idle;

    numbers_connections(m->segment, slot, &open, &idle);
    metrics_put(m, label, SLICE("state=\"idle\""), idle);
    metrics_put(m, label, SLICE("state=\"busy\""), open - idle);
}

static void put_weight(struct metrics *m, unsigned slot, struct slice label)
{
    struct roster_entry who;

    if (roster_read(m->segment, slot, &who))
        metrics_put_micros(
            m, label, SLICE(""),
            (uint64_t)llround(weight_now(m->segment, slot, who.weight, (double)who.ramp_ms / 1000) *
                              1e6));
}

static void put_latency(struct metrics *m, unsigned slot, struct slice label)
{
    double ms = numbers_ewma_ms(m->segment, slot, m->now_ms);

    metrics_put_micros(m, label, SLICE(""), (uint64_t)llround(ms * 1000));
}

static void put_errors(struct metrics *m, unsigned slot, struct slice label)
{
    double part = numbers_error_rate(m->segment, slot, m->now_ms);

    metrics_put_micros(m, label, SLICE(""), (uint64_t)llround(part * 1e6));
}

static void put_ejections(struct metrics *m, unsigned slot, struct slice label)
{
    metrics_put(m, label, SLICE(""), atomic_load(&m->segment->backends[slot].ejections));
}

static void put_checks(struct metrics *m, unsigned slot, struct slice label)
{
    const struct segment_backend *b = &m->segment->backends[slot];

    metrics_put(m, label, SLICE("result=\"passed\""), atomic_load(&b->checks_passed));
    metrics_put(m, label, SLICE("result=\"failed\""), atomic_load(&b->checks_failed));
}

static void put_states(struct metrics *m)
{
    unsigned slots = atomic_load(&m->segment->backends_count), counts[STANDINGS] = {0};

    for (unsigned slot = 0; slot < slots; slot++)
        if (segment_slot_is_used(m->segment, slot))
            counts[standing_of(m->segment, slot, m->now_ms)]++;
    for (unsigned i = 0; i < STANDINGS; i++)
        metrics_put(m, slice_of(state_labels[i]), SLICE(""), counts[i]);
}

/* --- scripts --- */

static void put_breaches(struct metrics *m)
{
    for (unsigned hook = 0; hook < HOOKS; hook++)
        for (unsigned kind = BREACH_NONE + 1; kind < BREACHES; kind++) {
            char labels[96];
            uint64_t sum = 0;

            for (unsigned w = 0; w < segment_workers(m->segment); w++)
                sum += atomic_load_explicit(&m->segment->workers[w].policy_breaches[hook][kind],
                                            memory_order_relaxed);
            snprintf(labels, sizeof labels, "hook=\"%s\",kind=\"%s\"", hook_name((enum hook)hook),
                     breach_name((enum breach)kind));
            metrics_put(m, slice_of(labels), SLICE(""), sum);
        }
}

static void put_parked(struct metrics *m)
{
    put_alone(m, atomic_load(&m->segment->parking.parked) != 0);
}

static void put_gc_pause(struct metrics *m)
{
    uint64_t longest_us = 0;

    for (unsigned i = 0; i < segment_workers(m->segment); i++) {
        uint64_t us = atomic_load(&m->segment->workers[i].policy_gc_pause_us);

        longest_us = us > longest_us ? us : longest_us;
    }
    metrics_put_micros(m, SLICE(""), SLICE(""), longest_us);
}

/* --- all processes together --- */

static void put_process(struct metrics *m, const char *name, enum metrics_type type,
                        const char *help, double value)
{
    metrics_put_head(m, name, help, type);
    metrics_put_named(m, name, type == METRICS_COUNTER ? "_total" : "", SLICE(""), value);
}

static void put_processes(struct metrics *m)
{
    struct processes p = processes_read(m->admin->supervisor);

    put_process(m, "process_cpu_seconds", METRICS_COUNTER,
                "CPU time of all processes of lb, also of those that have ended.", p.cpu_seconds);
    put_process(m, "process_resident_memory_bytes", METRICS_GAUGE,
                "Memory of all processes of lb; what they share counts once.",
                (double)p.resident_bytes);
    put_process(m, "process_open_fds", METRICS_GAUGE, "Open descriptors of all processes of lb.",
                (double)p.open_fds);
    put_process(m, "process_max_fds", METRICS_GAUGE, "How many they may have, all together.",
                (double)p.max_fds);
    put_process(m, "process_start_time_seconds", METRICS_GAUGE,
                "When lb was started, in seconds since 1970.",
                (double)m->segment->started_wall_us / 1e6);
}

/* --- the page, in its order --- */

#define COUNTER(id, text, key, ...)                                                                \
    {                                                                                              \
        .name = id, .help = text, .type = METRICS_COUNTER, .label = key, .counts = { __VA_ARGS__ } \
    }
#define GAUGE(id, text, how)                                                                       \
    {                                                                                              \
        .name = id, .help = text, .type = METRICS_GAUGE, .write = how                              \
    }
#define BACKEND(id, text, kind, how)                                                               \
    {                                                                                              \
        .name = id, .help = text, .type = kind, .write_backend = how                               \
    }

const struct metrics_family metrics_families[] = {
    {.name = "lb_build",
     .help = "Versions of lb and of what it runs on.",
     .type = METRICS_INFO,
     .write = put_build},
    GAUGE("lb_start_time_seconds", "When lb was started, in seconds since 1970.", put_start),
    GAUGE("lb_edition", "The number of the script that all workers go by.", put_edition),
    GAUGE("lb_ready", "1 if /ready says so.", put_ready),
    GAUGE("lb_draining", "1 while lb ends.", put_draining),
    GAUGE("lb_workers", "Workers that accept connections, and those that do not.", put_workers),
    COUNTER("lb_worker_restarts", "Workers that ended by themselves, or were ended.", "why",
            {"died", TOTALS_WORKERS_DIED}, {"hung", TOTALS_WORKERS_HUNG},
            {"replaced", TOTALS_WORKERS_REPLACED}),
    COUNTER("lb_monitor_restarts", "Monitors that ended by themselves, or were ended.", NULL,
            {"", TOTALS_MONITORS_DIED}),
    COUNTER("lb_admin_restarts", "Admin processes that ended by themselves, or were ended.", NULL,
            {"", TOTALS_ADMINS_DIED}),
    COUNTER("lb_reloads", "Scripts that were to be loaded while lb runs.", "result",
            {"ok", TOTALS_RELOADS}, {"refused", TOTALS_RELOADS_REFUSED}),
    COUNTER("lb_upgrades", "Programs that were to take the place of this one.", "result",
            {"ok", TOTALS_UPGRADES}, {"refused", TOTALS_UPGRADES_REFUSED},
            {"failed", TOTALS_UPGRADES_FAILED}),
    GAUGE("lb_clients", "Open connections of clients.", put_clients),
    GAUGE("lb_clients_limit", "How many clients may be connected.", put_clients_limit),
    COUNTER("lb_connections", "Connections of clients that were accepted.", NULL,
            {"", TOTALS_CONNECTIONS}),
    COUNTER("lb_http2_connections", "Those over which HTTP/2 was spoken.", NULL,
            {"", TOTALS_HTTP2_CONNECTIONS}),
    COUNTER("lb_connections_refused", "Connections of clients that were refused.", "why",
            {"per_client", TOTALS_REFUSED_PER_CLIENT},
            {"proxy_header", TOTALS_REFUSED_PROXY_HEADER}),
    COUNTER("lb_tls_handshakes", "Handshakes with clients that succeeded.", "result",
            {"full", TOTALS_TLS_FULL}, {"resumed", TOTALS_TLS_RESUMED}),
    COUNTER("lb_tls_versions", "The same, by version of TLS.", "version", {"1.2", TOTALS_TLS_1_2},
            {"1.3", TOTALS_TLS_1_3}),
    COUNTER("lb_tls_refused", "Handshakes with clients that failed.", "why",
            {"http", TOTALS_TLS_REFUSED + TLS_REFUSED_HTTP},
            {"hello", TOTALS_TLS_REFUSED + TLS_REFUSED_HELLO},
            {"name", TOTALS_TLS_REFUSED + TLS_REFUSED_NAME},
            {"handshake", TOTALS_TLS_REFUSED + TLS_REFUSED_HANDSHAKE},
            {"late", TOTALS_TLS_REFUSED + TLS_REFUSED_LATE},
            {"crowd", TOTALS_TLS_REFUSED + TLS_REFUSED_CROWD},
            {"memory", TOTALS_TLS_REFUSED + TLS_REFUSED_MEMORY}),
    COUNTER("lb_requests", "Requests that are over, by the class of the answer.", "code",
            {"1xx", TOTALS_1XX}, {"2xx", TOTALS_2XX}, {"3xx", TOTALS_3XX}, {"4xx", TOTALS_4XX},
            {"5xx", TOTALS_5XX}, {"499", TOTALS_499}, {"other", TOTALS_OTHER}),
    COUNTER("lb_http2_requests", "Those that came over HTTP/2.", NULL, {"", TOTALS_HTTP2}),
    {.name = "lb_request_duration_seconds",
     .help = "From a request's first byte to the last of its answer; no tunnels.",
     .type = METRICS_HISTOGRAM,
     .write = put_durations},
    COUNTER("lb_request_body_bytes", "Bytes of the bodies of requests that are over.", NULL,
            {"", TOTALS_BYTES_IN}),
    COUNTER("lb_response_body_bytes", "Bytes of the bodies of their answers.", NULL,
            {"", TOTALS_BYTES_OUT}),
    GAUGE("lb_requests_waiting", "Requests that wait for room at a backend.", put_waiting),
    COUNTER("lb_decisions", "Requests by whether how they went is kept: see explain.", "kept",
            {"usual", TOTALS_DECISIONS_USUAL}, {"wrong", TOTALS_DECISIONS_WRONG},
            {"no", TOTALS_DECISIONS_NOT}),
    COUNTER("lb_retries", "Tries after the first.", "kind", {"again", TOTALS_RETRY_AGAIN},
            {"next", TOTALS_RETRY_NEXT}, {"at_once", TOTALS_RETRY_AT_ONCE}),
    COUNTER("lb_retries_denied", "Tries that the policy wanted and lb did not allow.", "why",
            {"unsafe", TOTALS_DENIED_UNSAFE}, {"attempts", TOTALS_DENIED_ATTEMPTS},
            {"budget", TOTALS_DENIED_BUDGET}),
    GAUGE("lb_backends", "Backends of the script, by state.", put_states),
    GAUGE("lb_discovery_backends", "Backends that a source has found.", metrics_put_found),
    GAUGE("lb_discovery_age_seconds", "Since a source's last list that was believed.",
          metrics_put_found_age),
    {.name = "lb_discovery_lists",
     .help = "Answers of a source: believed, not believed, and none.",
     .type = METRICS_COUNTER,
     .write = metrics_put_found_lists},
    GAUGE("lb_panic", "1 while health.panic holds.", put_panic),
    BACKEND("lb_backend_state", "1 for the state that the backend has.", METRICS_GAUGE, put_state),
    BACKEND("lb_tries", "Tries that are over, by how they ended.", METRICS_COUNTER, put_tries),
    BACKEND("lb_backend_in_flight", "Tries under way.", METRICS_GAUGE, put_in_flight),
    BACKEND("lb_backend_pending", "Those without the head of a response.", METRICS_GAUGE,
            put_pending),
    BACKEND("lb_backend_connections", "Connections there that no request has, and others.",
            METRICS_GAUGE, put_connections),
    BACKEND("lb_backend_weight", "The weight as it is now.", METRICS_GAUGE, put_weight),
    BACKEND("lb_backend_latency_seconds", "ewma_ms, in seconds.", METRICS_GAUGE, put_latency),
    BACKEND("lb_backend_error_ratio", "error_rate: 0 to 1.", METRICS_GAUGE, put_errors),
    BACKEND("lb_backend_ejections", "How often it was ejected.", METRICS_COUNTER, put_ejections),
    BACKEND("lb_health_checks", "Checks of its health.", METRICS_COUNTER, put_checks),
    COUNTER("lb_health_checks_skipped", "Checks that lb could not make.", NULL,
            {"", TOTALS_CHECKS_SKIPPED}),
    {.name = "lb_policy_breaches",
     .help = "Calls of hooks that went wrong.",
     .type = METRICS_COUNTER,
     .write = put_breaches},
    {.name = "lb_policy_duration_seconds",
     .help = "Calls of hooks, one in 64, with what they await.",
     .type = METRICS_HISTOGRAM,
     .write = put_calls},
    GAUGE("lb_policy_parked", "1 while the script is not asked.", put_parked),
    GAUGE("lb_policy_gc_pause_seconds", "The longest stop for garbage.", put_gc_pause),
    {.name = "lb_log_lines_dropped",
     .help = "Lines of the log that found no room.",
     .type = METRICS_COUNTER,
     .write = put_dropped},
    COUNTER("lb_spans", "Spans of requests, by what became of them.", "result",
            {"sent", TOTALS_SPANS_SENT}, {"dropped", TOTALS_SPANS_DROPPED},
            {"refused", TOTALS_SPANS_REFUSED}),
    {.write = put_processes},
    {.write = metrics_put_series, .has_pieces = true},
};

const unsigned metrics_families_count = sizeof metrics_families / sizeof *metrics_families;
