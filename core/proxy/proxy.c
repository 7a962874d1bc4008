#include "proxy/proxy.h"

#include "base/clock.h"

void proxy_init(struct proxy *proxy, struct loop *loop, const struct config *config,
                struct segment *segment, unsigned worker, struct backends *backends,
                struct policy *policy)
{
    *proxy = (struct proxy){
        .loop = loop,
        .config = config,
        .segment = segment,
        .slot = &segment->workers[worker],
        .backends = backends,
        .policy = policy,
        .limits = {.request_line = config->limits.request_line,
                   .head = config->limits.head,
                   .fields = config->limits.fields},
        /* Different in each worker and after each start, which is all an id must be. */
        .next_id = clock_wall_us() * SEGMENT_WORKERS_MAX + worker,
        .retry_after_s = (unsigned)((config->health.interval_ms + 999) / 1000),
    };
    retry_budget_init(&proxy->budget, config->limits.retry_budget);
}

void proxy_count_request(struct proxy *proxy)
{
    _Atomic uint64_t *requests = &proxy->slot->requests;

    /* This process is the only writer: no locked instruction is needed. */
    atomic_store_explicit(requests, atomic_load_explicit(requests, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}
