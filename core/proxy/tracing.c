#include "proxy/tracing.h"

#include "base/clock.h"
#include "base/random.h"
#include "http/grpc.h"
#include "http/target.h"
#include "shared/outcome.h"
#include "shared/spans.h"

enum {
    STATUS_TUNNEL = 101,
    STATUS_CLIENT_GONE = 499,
    /* Bytes of texts at most; of the path so many as the others leave. */
    METHOD_MAX = 32,
    ADDRESS_MAX = 128,
    PEER_MAX = 64,
    WHY_MAX = 64,
    URL_PATH_MAX = 256,
};

_Static_assert(METHOD_MAX + ADDRESS_MAX + 2 * PEER_MAX + WHY_MAX < sizeof((struct span *)0)->texts,
               "some is left for the path");
_Static_assert((int)SPAN_TRACE_BYTES == (int)TRACE_ID_BYTES, "it is copied as it is");

/* --- its trace --- */

/* Of base/random.h: 64 bits of a generator that the system's secure source has seeded. */
static uint64_t new_span(void)
{
    uint64_t span = random_bits();

    return span != 0 ? span : 1;
}

static bool may_continue(const struct facts_request *facts, const struct incoming *in,
                         const struct config_tracing *settings)
{
    if (settings->trust == TRACING_TRUSTS_NONE || !head_may_have(facts->head, FIELD_TRACEPARENT))
        return false;
    return settings->trust == TRACING_TRUSTS_ALL ? incoming_has_head(in) : facts->is_trusted != 0;
}

void tracing_begin(struct facts_request *facts, struct incoming *in, const struct config *config)
{
    const struct config_tracing *settings = &config->tracing;
    struct trace_context *trace;

    if (!tracing_is_on(settings))
        return;
    trace = arena_alloc(&in->arena, sizeof *trace);
    if (!may_continue(facts, in, settings) || !trace_context_continue(trace, facts->head)) {
        uint64_t random = random_bits();

        trace_context_begin(trace, random, facts->id,
                            random >> (64 - CONFIG_TRACING_PART_BITS) < settings->sampled_below);
    }
    facts->trace = trace;
}

/* A request that is tried again is kept, if the settings say so: then that is known already. */
void tracing_begin_try(struct facts_request *facts, struct access_try *t,
                       const struct config_tracing *settings)
{
    struct trace_context *trace = facts->trace;
    bool is_kept = facts->tries > 1 && (settings->always & TRACING_RETRIED) != 0;

    t->span = new_span();
    trace_context_set_span(trace, t->span, trace->is_sampled || is_kept);
}

/* --- its end --- */

/* As OpenTelemetry has it of servers: what the client did wrong is none. */
static bool grpc_has_failed(int status)
{
    enum {
        UNKNOWN = 2,
        DEADLINE_EXCEEDED = 4,
        UNIMPLEMENTED = 12,
        INTERNAL,
        UNAVAILABLE,
        DATA_LOSS
    };

    return status == UNKNOWN || status == DEADLINE_EXCEEDED ||
           (status >= UNIMPLEMENTED && status <= DATA_LOSS);
}

static bool has_failed(const struct access_record *r, bool was_cut)
{
    return r->status >= 500 || was_cut || grpc_has_failed(r->grpc_status);
}

bool tracing_keeps(const struct access_record *r, bool was_cut,
                   const struct config_tracing *settings)
{
    uint32_t is = 0;

    if (has_failed(r, was_cut))
        is |= TRACING_FAILED;
    if (r->tries != NULL && r->tries->next != NULL)
        is |= TRACING_RETRIED;
    if (r->total_us > settings->slow_us && r->status != STATUS_TUNNEL)
        is |= TRACING_SLOW;
    return (settings->always & is) != 0;
}

/* Of what has no status that says so. */
static struct slice error_of(const struct access_record *r, bool was_cut)
{
    if (was_cut)
        return SLICE("cut");
    return r->status >= 500 ? SLICE("") : SLICE("grpc");
}

static size_t least(size_t one, size_t other)
{
    return one < other ? one : other;
}

/* The path comes from the client, and takes no room from what lb says of it. */
static void put_texts(const struct tracing_end *e, struct span *s)
{
    const struct access_record *r = e->record;
    struct slice host = e->facts->authority, error = SLICE("");
    size_t others, room = sizeof s->texts - s->head.bytes;

    if (host.length > ADDRESS_MAX) /* a port that is cut would be another one */
        host = host_without_port(host);
    if (s->head.is_error)
        error = error_of(r, e->was_cut);
    others = least(host.length, ADDRESS_MAX) + least(r->client_ip.length, PEER_MAX) +
             least(r->why.length, WHY_MAX) + error.length;
    span_add(s, SPAN_PATH, e->facts->path, least(room - others, URL_PATH_MAX));
    span_add(s, SPAN_ADDRESS, host, ADDRESS_MAX);
    span_add(s, SPAN_PEER, r->client_ip, PEER_MAX);
    span_add(s, SPAN_WHY, r->why, WHY_MAX);
    span_add(s, SPAN_ERROR, error, PEER_MAX);
}

/* apart_us: from the steady clock to the wall clock, once for all spans of a request, so that each
 * lies within its parent even if the clock is set meanwhile. */
static void put_server(const struct tracing_end *e, struct span *s, uint64_t apart_us)
{
    const struct access_record *r = e->record;
    const struct facts_request *facts = e->facts;

    s->head.end_us = r->ended_us + apart_us;
    s->head.start_us = s->head.end_us - r->total_us;
    s->head.kind = SPAN_SERVER;
    s->head.span = new_span();
    s->head.parent = facts->trace->parent;
    s->head.status = (uint16_t)r->status;
    s->head.version = (uint8_t)facts->head->version;
    s->head.is_error = has_failed(r, e->was_cut);
    s->head.is_secure = facts->scheme.length == sizeof "https" - 1;
    put_texts(e, s);
    spans_put(e->segment, e->slot, s);
}

/* An answer of 400 and more is an error for who has asked, as OpenTelemetry has it. */
static void put_try(const struct tracing_end *e, const struct access_try *t, struct span *s,
                    uint64_t apart_us)
{
    bool is_ok = t->outcome == attempt_outcome_name(ATTEMPT_OK);
    unsigned status = t->status != 0 || !is_ok ? t->status : e->record->status;
    const struct config_backend *to = t->to;

    s->head.start_us = t->began_us + apart_us;
    s->head.end_us = s->head.start_us + t->us;
    s->head.kind = SPAN_CLIENT;
    s->head.span = t->span;
    s->head.status = (uint16_t)status;
    s->head.version = config_backend_is_h2(to) ? VERSION_2 : VERSION_1_1;
    s->head.is_error = !is_ok || status >= 400;
    s->head.is_secure = config_backend_has_tls(to);
    span_add(s, SPAN_ADDRESS, slice_of(to->text), ADDRESS_MAX);
    span_add(s, SPAN_PEER, slice_of(t->backend), PEER_MAX);
    span_add(s, SPAN_WHY, t->why, WHY_MAX);
    if (!is_ok && status == 0)
        span_add(s, SPAN_ERROR, slice_of(t->outcome), PEER_MAX);
    spans_put(e->segment, e->slot, s);
}

/* What all spans of a request have, comes first, and is made once. */
void tracing_leave_spans(const struct tracing_end *e)
{
    const struct access_record *r = e->record;
    uint64_t apart_us = clock_wall_at(r->ended_us) - r->ended_us, parent;
    uint16_t method_bytes;
    struct span s;

    s.head = (struct span_head){0};
    memcpy(s.head.trace, trace_context_id(e->facts->trace).start, sizeof s.head.trace);
    span_add(&s, SPAN_METHOD, r->method, METHOD_MAX);
    method_bytes = s.head.bytes;
    put_server(e, &s, apart_us);
    parent = s.head.span;
    for (const struct access_try *t = r->tries; t != NULL; t = t->next) {
        memset(s.head.lengths + 1, 0, sizeof s.head.lengths - sizeof *s.head.lengths);
        s.head.bytes = method_bytes;
        s.head.parent = parent;
        put_try(e, t, &s, apart_us);
        s.head.resends++; /* of the next one */
    }
}
