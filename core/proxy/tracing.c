#include "proxy/tracing.h"

#include "base/random.h"

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
    trace->span = new_span();
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
