#include "proxy/sources.h"

#include "proxy/exchange_inside.h"

enum { LET_GO_MS = 100, CUTS_MAX = 100 /* at once; each looks through the requests */ };

/* Whether a request's body is taken first: a backend that was found may have a limit, too. */
static bool takes_body_first(const struct plan *plan)
{
    const struct config *config = plan->config;
    const struct membership *m = &plan->backends.members;
    bool is_limited = false;

    for (unsigned i = 0; i < m->listed; i++)
        is_limited |= m->list[m->order[i]].settings->max_in_flight > 0;
    return config_takes_body_first(config) || (is_limited && config->limits.replay > 0 &&
                                               config->body_first == CONFIG_BODY_FIRST_LIMITED);
}

void sources_follow(struct plan *plan)
{
    if (!backends_follow(&plan->backends))
        return;
    policy_follow(plan->policy, &plan->backends.members);
    plan->takes_body_first = takes_body_first(plan);
}

/* --- those that have left --- */

static bool is_over(const struct plan *plan, const struct backend *b)
{
    return b != NULL && b->settings != NULL && !b->is_listed &&
           loop_now_ms(plan->plans->loop) >= b->left_ms + plan->config->discovery.drain_ms;
}

static struct exchange *find_over(const struct plan *plan)
{
    for (struct list_node *n = plan->exchanges.next; n != &plan->exchanges; n = n->next) {
        struct exchange *e = list_entry(n, struct exchange, node);

        if (is_over(plan, e->attempt.backend) && attempt_is_active(&e->attempt))
            return e;
    }
    return NULL;
}

static void on_gone(void *owner, unsigned place)
{
    struct plan *plan = owner;

    policy_take_away(plan->policy, &plan->backends.members, place);
}

static void let_left_go(struct plan *plan)
{
    struct backends *all = &plan->backends;
    struct exchange *e;

    if (all->members.left == 0)
        return;
    for (unsigned i = 0; i < CUTS_MAX && (e = find_over(plan)) != NULL; i++)
        exchange_end_drain(e);
    backends_need_none(all);
    for (struct list_node *n = plan->exchanges.next; n != &plan->exchanges; n = n->next) {
        e = list_entry(n, struct exchange, node);
        if (e->attempt.backend != NULL)
            e->attempt.backend->is_needed = true;
    }
    backends_let_left_go(all, on_gone, plan);
}

/* A script that was replaced does not follow, but its backends may have left before. */
void sources_step(struct proxy *proxy)
{
    uint64_t now_ms = loop_now_ms(proxy->loop);

    if (proxy->plan != NULL)
        sources_follow(proxy->plan);
    if (now_ms < proxy->let_go_ms)
        return;
    proxy->let_go_ms = now_ms + LET_GO_MS;
    for (struct list_node *n = proxy->plans.list.next; n != &proxy->plans.list; n = n->next)
        let_left_go(list_entry(n, struct plan, node));
}
