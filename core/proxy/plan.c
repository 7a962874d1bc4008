#include "proxy/plan.h"

#include "base/mem.h"
#include "proxy/done.h"
#include "proxy/proxy.h"

static void on_over(struct deadline *d)
{
    plan_free(list_entry(d, struct plan, over));
}

struct plan *plan_new(struct proxy *proxy, const struct config *config, uint64_t edition,
                      struct buffer *error)
{
    struct policy *policy = policy_new(config, proxy->segment, proxy->loop, proxy->worker, error);
    struct plan *plan;

    if (policy == NULL)
        return NULL;
    plan = mem_zalloc(sizeof *plan);
    *plan = (struct plan){
        .proxy = proxy,
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
    };
    deadline_init(&plan->over, on_over);
    list_init(&plan->exchanges);
    list_init(&plan->dones);
    backends_init(&plan->backends, &proxy->pools, config, proxy->segment, proxy->worker);
    list_append(&proxy->plans, &plan->node);
    return plan;
}

struct plan *plan_use(struct plan *plan)
{
    plan->uses++;
    return plan;
}

/* Not at once: whoever gave the last use back may have been called by the script. */
void plan_release(struct plan *plan)
{
    CHECK(plan->uses > 0);
    if (--plan->uses == 0)
        deadline_set(plan->proxy->loop, &plan->over, 0);
}

void plan_free(struct plan *plan)
{
    done_finish_all(plan);
    deadline_clear(&plan->over);
    list_remove(&plan->node);
    policy_free(plan->policy);
    backends_dispose(&plan->backends);
    config_free(plan->owned);
    mem_free(plan);
}
