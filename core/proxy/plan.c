#include "proxy/plan.h"

#include "base/mem.h"

enum {
    DONES_BYTES_MAX = 16 << 20, /* of all copies for on_done in a worker, */
    DONES_MEMORY_SHARE = 16,    /* and such a part of its memory at most */
};

static size_t dones_bytes_max(const struct config *config)
{
    uint64_t share = config_memory_part(config) / DONES_MEMORY_SHARE;

    return share < DONES_BYTES_MAX ? (size_t)share : DONES_BYTES_MAX;
}

void plans_init(struct plans *plans, struct loop *loop, struct segment *segment, unsigned worker,
                struct pools *pools)
{
    *plans = (struct plans){.loop = loop, .segment = segment, .worker = worker, .pools = pools};
    list_init(&plans->list);
}

/* Half of what is kept may come at once. */
static struct plan_explain explain_of(const struct config *config)
{
    unsigned keep = config->admin.listen_count > 0 ? config->explain.keep : 0;
    uint64_t span_us = config->explain.seconds_ms * 1000;

    if (keep == 0)
        return (struct plan_explain){0};
    return (struct plan_explain){.keep = keep,
                                 .slow_us = config->explain.slow_ms * 1000,
                                 .span_us = span_us,
                                 .each_us = keep > 1 ? 2 * span_us / keep : span_us,
                                 .each_refused_us = 4 * span_us / DECISIONS_WRONG_MAX};
}

static void on_over(struct deadline *d)
{
    plan_free(list_entry(d, struct plan, over));
}

struct plan *plan_new(struct plans *plans, const struct config *config, uint64_t edition,
                      struct buffer *error)
{
    struct policy *policy = policy_new(config, plans->segment, plans->loop, plans->worker, error);
    struct plan *plan;

    if (policy == NULL)
        return NULL;
    plan = mem_zalloc(sizeof *plan);
    *plan = (struct plan){
        .plans = plans,
        .config = config,
        .policy = policy,
        .limits = {.request_line = config->limits.request_line,
                   .head = config->limits.head,
                   .fields = config->limits.fields},
        .takes_body_first = config_takes_body_first(config),
        .retry_after_s = (unsigned)((config->health.interval_ms + 999) / 1000),
        .dones_bytes_max = dones_bytes_max(config),
        .edition = edition,
        .uses = 1,
        .explain = explain_of(config),
    };
    deadline_init(&plan->over, on_over);
    list_init(&plan->exchanges);
    list_init(&plan->dones);
    backends_init(&plan->backends, plans->pools, config, plans->segment, plans->worker, edition);
    list_append(&plans->list, &plan->node);
    return plan;
}

struct plan *plan_use(struct plan *plan)
{
    plan->uses++;
    return plan;
}

/* Not at once: the script may be calling the function that gave the last use back. */
void plan_release(struct plan *plan)
{
    CHECK(plan->uses > 0);
    if (--plan->uses == 0)
        deadline_set(plan->plans->loop, &plan->over, 0);
}

void plan_free(struct plan *plan)
{
    CHECK(list_is_empty(&plan->dones));
    deadline_clear(&plan->over);
    list_remove(&plan->node);
    policy_free(plan->policy);
    backends_dispose(&plan->backends);
    config_free(plan->owned);
    mem_free(plan);
}
