#include "proxy/done.h"

#include "base/log.h"
#include "base/mem.h"
#include "http/head.h"
#include "proxy/proxy.h"

enum {
    DONES_MAX = 10000,     /* of a plan at a time */
    TELL_EVERY_MS = 10000, /* that there are too many */
    ROOM_BYTES = 1536,
};

struct done {
    struct plan *plan;
    struct list_node node;
    struct deferred begin;
    bool has_begun;
    struct policy_call call;
    struct facts_request facts;
    struct facts_result result;
    struct head head;
    struct arena arena;
    char room[ROOM_BYTES]; /* the arena's first */
};

static void done_over(struct done *d)
{
    struct plan *plan = d->plan;

    deferred_cancel(&d->begin);
    policy_cancel(&d->call);
    policy_forget(plan->policy, &d->facts);
    list_remove(&d->node);
    plan->dones_count--;
    arena_dispose(&d->arena);
    mem_free(d);
    plan_release(plan);
}

static void on_policy_done(struct policy_call *call)
{
    done_over(list_entry(call, struct done, call));
}

static void done_begin(struct done *d)
{
    d->has_begun = true;
    if (policy_on_done(d->plan->policy, &d->call, &d->facts, &d->result) == POLICY_DONE)
        done_over(d);
}

static void on_begin(struct deferred *deferred)
{
    done_begin(list_entry(deferred, struct done, begin));
}

static void copy_head(struct done *d, const struct head *head)
{
    struct arena *arena = &d->arena;

    d->head = *head;
    d->head.method = d->facts.method;
    d->head.target = d->facts.target;
    d->head.reason = (struct slice){"", 0};
    d->head.kinds = NULL;
    d->head.fields = arena_alloc(arena, head->fields_count * sizeof *head->fields);
    for (unsigned i = 0; i < head->fields_count; i++) {
        d->head.fields[i].name = arena_copy(arena, head->fields[i].name);
        d->head.fields[i].value = arena_copy(arena, head->fields[i].value);
    }
    d->facts.head = &d->head;
}

static void copy_facts(struct done *d, const struct facts_request *facts)
{
    struct facts_request *copy = &d->facts;
    struct slice *const texts[] = {
        &copy->id,   &copy->method, &copy->target,    &copy->path,      &copy->query,
        &copy->host, &copy->scheme, &copy->client_ip, &copy->authority,
    };

    *copy = *facts;
    copy->arena = &d->arena;
    copy->deadline_ms = 0;  /* that was the client's */
    copy->explained = NULL; /* and the access line is written */
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_copy(&d->arena, *texts[i]);
}

static bool may_tell(struct plan *plan)
{
    uint64_t now_ms = loop_now_ms(plan->proxy->loop);

    if (plan->dones_count < DONES_MAX)
        return true;
    if (now_ms >= plan->dones_told_ms + TELL_EVERY_MS) {
        plan->dones_told_ms = now_ms;
        log_event(LOG_WARN, "on_done_skipped", NULL,
                  "%d calls of on_done wait for something: no more are begun", DONES_MAX);
    }
    return false;
}

void done_tell(struct plan *plan, struct facts_request *facts, const struct facts_result *result)
{
    struct done *d;

    if (!may_tell(plan))
        return;
    d = mem_alloc(sizeof *d);
    d->plan = plan_use(plan);
    d->has_begun = false;
    d->call = (struct policy_call){.on_done = on_policy_done};
    d->result = *result;
    arena_init(&d->arena, d->room, sizeof d->room);
    copy_facts(d, facts);
    copy_head(d, facts->head);
    facts->vars = 0; /* the copy's now */
    list_append(&plan->dones, &d->node);
    plan->dones_count++;
    deferred_init(&d->begin, on_begin);
    loop_defer(plan->proxy->loop, &d->begin);
}

void done_finish_all(struct plan *plan)
{
    while (!list_is_empty(&plan->dones)) {
        struct done *d = list_entry(plan->dones.next, struct done, node);

        deferred_cancel(&d->begin);
        if (d->has_begun)
            done_over(d);
        else
            done_begin(d); /* if it awaits, it has begun now */
    }
}
