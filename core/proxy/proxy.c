#include "proxy/proxy.h"

#include "base/clock.h"
#include "proxy/done.h"

enum { RETRIES_A_SECOND = 3 };

void proxy_init(struct proxy *proxy, struct loop *loop, struct segment *segment, unsigned worker)
{
    *proxy = (struct proxy){
        .loop = loop,
        .slot = &segment->workers[worker],
        .worker = worker,
        .pools = {.loop = loop, .segment = segment, .worker = worker},
        .explain = {.segment = segment, .worker = worker},
        /* Different in each worker and after each start of one. */
        .next_id = clock_wall_us() * SEGMENT_WORKERS_MAX + worker,
    };
    cipher_init(&proxy->cipher, segment->ids_secret);
    plans_init(&proxy->plans, loop, segment, worker, &proxy->pools);
    queue_init(&proxy->queue, loop, segment, worker, &proxy->plans.list);
    allowance_init(&proxy->retries, 0, RETRIES_A_SECOND * ALLOWANCE_SECONDS);
}

uint64_t proxy_new_id(struct proxy *proxy)
{
    if (proxy->ids_left == 0) {
        for (unsigned i = 0; i < CIPHER_BLOCKS; i++)
            proxy->ids[i] = proxy->next_id += SEGMENT_WORKERS_MAX;
        cipher_permute(&proxy->cipher, proxy->ids);
        proxy->ids_left = CIPHER_BLOCKS;
    }
    return proxy->ids[--proxy->ids_left];
}

void proxy_follow(struct proxy *proxy, struct plan *plan)
{
    struct plan *before = proxy->plan;

    proxy->plan = plan;
    proxy->retries.fraction = plan->config->limits.retry_budget;
    proxy->explain.usual_us = proxy->explain.refused_us = 0; /* they are of the rule before */
    if (before != NULL) {
        policy_retire(before->policy);
        plan_release(before);
    }
    atomic_store(&proxy->slot->edition, plan->edition);
}

void proxy_renumber(struct proxy *proxy, uint64_t edition)
{
    proxy->plan->edition = edition;
    atomic_store(&proxy->slot->edition, edition);
}

void proxy_close(struct proxy *proxy)
{
    while (!list_is_empty(&proxy->plans.list)) {
        struct plan *plan = list_entry(proxy->plans.list.next, struct plan, node);

        done_finish_all(plan);
        plan_free(plan);
    }
    proxy->plan = NULL;
}

void proxy_count_request(struct proxy *proxy)
{
    _Atomic uint64_t *requests = &proxy->slot->requests;

    /* This process is the only writer: no locked instruction is needed. */
    atomic_store_explicit(requests, atomic_load_explicit(requests, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}
