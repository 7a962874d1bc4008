#include "proxy/old_plans.h"

#include "base/log.h"
#include "proxy/done.h"
#include "proxy/exchange_inside.h"

/* No hook but on_done is called for it any more, and no other backend tried. */
static bool exchange_is_settled(const struct exchange *e)
{
    return e->state == EXCHANGE_ANSWERING || e->state == EXCHANGE_TUNNELLING;
}

static bool exchange_may_await(const struct exchange *e)
{
    return e->state == EXCHANGE_CHOOSING || e->state == EXCHANGE_JUDGING ||
           e->state == EXCHANGE_REVIEWING;
}

struct needs { /* of the exchanges that began with a plan */
    unsigned all, settled, awaiting, to_call;
};

static struct needs plan_needs(const struct plan *plan)
{
    struct needs n = {0};

    for (struct list_node *node = plan->exchanges.next; node != &plan->exchanges;
         node = node->next) {
        const struct exchange *e = list_entry(node, struct exchange, node);

        n.all++;
        n.settled += exchange_is_settled(e);
        n.awaiting += exchange_may_await(e);
        n.to_call += e->calls_on_done || e->facts.finals > 0;
    }
    return n;
}

static void plan_drop_script(struct plan *plan)
{
    for (struct list_node *node = plan->exchanges.next; node != &plan->exchanges;
         node = node->next) {
        struct exchange *e = list_entry(node, struct exchange, node);

        e->calls_on_done = false;
        policy_finish(plan->policy, &e->facts, NULL);
        e->facts.finals = 0;
        policy_forget(plan->policy, &e->facts);
    }
    done_finish_all(plan);
    policy_let_go(plan->policy);
}

static void plan_drop_backends(struct plan *plan)
{
    backends_need_none(&plan->backends);
    for (struct list_node *node = plan->exchanges.next; node != &plan->exchanges; node = node->next)
        list_entry(node, struct exchange, node)->attempt.backend->is_needed = true;
    backends_release(&plan->backends);
}

static bool plan_keeps_script(const struct plan *plan)
{
    return plan->uses > 0 && policy_has_script(plan->policy);
}

static void plan_let_go(struct plan *plan)
{
    struct needs n = plan_needs(plan);

    if (n.all == 0 || n.settled < n.all)
        return;
    if (plan_keeps_script(plan) && n.to_call == 0 && list_is_empty(&plan->dones))
        plan_drop_script(plan);
    plan_drop_backends(plan);
}

/* The script of a plan is called no more, although some of its requests are under way: the built-in
 * rules serve these. A script that is being called is dropped the next time. */
static void plan_give_up_script(struct plan *plan)
{
    struct needs n = plan_needs(plan);

    if (n.awaiting > 0)
        return;
    plan_drop_script(plan);
    log_event(LOG_WARN, "on_done_skipped", NULL,
              "%u requests of an old script are under way, and %d newer ones were replaced since: "
              "its hooks are called no more",
              n.all, OLD_PLANS_MAX);
}

void old_plans_let_go(struct proxy *proxy)
{
    unsigned kept = 0;

    for (struct list_node *node = proxy->plans.list.next; node != &proxy->plans.list;
         node = node->next) {
        struct plan *plan = list_entry(node, struct plan, node);

        if (plan == proxy->plan)
            continue;
        plan_let_go(plan);
        kept += plan_keeps_script(plan);
    }
    for (struct list_node *node = proxy->plans.list.next;
         kept > OLD_PLANS_MAX && node != &proxy->plans.list; node = node->next) {
        struct plan *plan = list_entry(node, struct plan, node);

        if (plan == proxy->plan || !plan_keeps_script(plan))
            continue;
        plan_give_up_script(plan);
        kept--;
    }
}
