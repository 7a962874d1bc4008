#include "proxy/queue.h"

#include "proxy/plan.h"
#include "shared/queued.h"

enum { QUEUE_LOOK_MS = 20 };

static void on_woken(struct deferred *);
static void on_again(struct deadline *);

void queue_init(struct queue *q, struct loop *loop, struct segment *segment, unsigned worker,
                const struct list_node *plans)
{
    *q = (struct queue){.loop = loop, .segment = segment, .worker = worker, .plans = plans};
    list_init(&q->waiters);
    deferred_init(&q->woken, on_woken);
    deadline_init(&q->again, on_again);
}

bool queue_has_place(const struct queue *q, uint64_t most)
{
    return queued_requests(q->segment) < most;
}

static struct waiter *waiter_of(struct list_node *node)
{
    return list_entry(node, struct waiter, node);
}

static bool waiter_wants(const struct waiter *w, const struct backend *backend)
{
    return !w->was_called && w->choice->backends == backend->all &&
           choice_was_full(w->choice, backend->index);
}

bool queue_is_before(const struct queue *q, const struct waiter *waiter,
                     const struct backend *backend)
{
    if (backend->pool->waiting == 0)
        return false;
    for (struct list_node *n = q->waiters.next; n != &q->waiters; n = n->next) {
        if (waiter_of(n) == waiter)
            return false;
        if (waiter_wants(waiter_of(n), backend))
            return true;
    }
    return false;
}

/* --- who waits for which backend --- */

static void queue_publish(struct queue *q)
{
    queued_note(q->segment, q->worker, q->count,
                q->count > 0 ? waiter_of(q->waiters.next)->since_us : 0);
}

/* A place given back before the mark was set woke nobody, so there is a look afterwards. */
static void queue_mark(struct queue *q, struct backend *backend)
{
    if (backend->pool->waiting++ > 0)
        return;
    queued_set(q->segment, backend->settings->slot, q->worker);
    loop_defer(q->loop, &q->woken);
}

static void queue_unmark(struct queue *q, struct backend *backend)
{
    if (--backend->pool->waiting == 0)
        queued_clear(q->segment, backend->settings->slot, q->worker);
}

static void waiter_each_full(struct waiter *w, void (*note)(struct queue *, struct backend *))
{
    struct backends *all = w->choice->backends;

    for (uint32_t i = 0; i < all->count; i++)
        if (choice_was_full(w->choice, i))
            note(w->queue, &all->list[i]);
}

/* --- a waiter --- */

static void waiter_call(struct waiter *w)
{
    waiter_each_full(w, queue_unmark);
    choice_forget_full(w->choice);
    w->was_called = true;
    w->on_room(w);
}

static void on_late(struct deadline *d)
{
    struct waiter *w = list_entry(d, struct waiter, late);

    w->is_late = true;
    if (!w->was_called)
        waiter_call(w);
}

static void queue_append(struct queue *q, struct waiter *w, struct choice *choice, uint64_t most_ms)
{
    w->queue = q;
    w->choice = choice;
    w->since_us = loop_event_us(q->loop);
    w->is_late = false;
    list_append(&q->waiters, &w->node);
    q->count++;
    queue_publish(q);
    deadline_init(&w->late, on_late);
    deadline_set(q->loop, &w->late, most_ms);
    if (q->count == 1)
        deadline_set(q->loop, &q->again, QUEUE_LOOK_MS);
}

void queue_wait(struct queue *q, struct waiter *w, struct choice *choice, uint64_t most_ms)
{
    if (w->queue == NULL)
        queue_append(q, w, choice, most_ms);
    w->was_called = false;
    w->generation = choice->backends->available_generation;
    waiter_each_full(w, queue_mark);
}

uint64_t queue_leave(struct waiter *w)
{
    struct queue *q = w->queue;

    if (q == NULL)
        return 0;
    if (!w->was_called)
        waiter_each_full(w, queue_unmark);
    w->queue = NULL;
    list_remove(&w->node);
    deadline_clear(&w->late);
    q->count--;
    queue_publish(q);
    if (q->count == 0)
        deadline_clear(&q->again);
    return loop_event_us(q->loop) - w->since_us;
}

/* --- room --- */

static struct waiter *queue_first_for(struct queue *q, const struct backend *backend)
{
    for (struct list_node *n = q->waiters.next; n != &q->waiters; n = n->next)
        if (waiter_wants(waiter_of(n), backend))
            return waiter_of(n);
    return NULL;
}

/* The waiter need not take the place, nor at once. If nobody else here wants it, other workers may.
 * A backend that an old script has let go of (proxy/old_plans.h) has no pool, and no waiter. */
static bool queue_call_for_room(struct queue *q, struct backend *backend)
{
    struct waiter *first;

    if (backend->pool == NULL || backend->pool->waiting == 0 || backend_is_full(backend) ||
        (first = queue_first_for(q, backend)) == NULL)
        return false;
    waiter_call(first);
    if (backend->pool->waiting == 0 && !backend_is_full(backend))
        queued_wake(q->segment, backend->settings->slot);
    return true;
}

/* Backends went, or it may go to others now. */
static bool queue_call_for_change(struct queue *q)
{
    for (struct list_node *n = q->waiters.next; n != &q->waiters; n = n->next) {
        struct waiter *w = waiter_of(n);

        backends_refresh(w->choice->backends);
        if (!w->was_called && w->generation != w->choice->backends->available_generation) {
            waiter_call(w);
            return true;
        }
    }
    return false;
}

static bool queue_call_one(struct queue *q)
{
    if (queue_call_for_change(q))
        return true;
    for (struct list_node *n = q->plans->next; n != q->plans; n = n->next) {
        struct backends *all = &list_entry(n, struct plan, node)->backends;

        for (unsigned i = 0; i < all->count; i++)
            if (queue_call_for_room(q, &all->list[i]))
                return true;
    }
    return false;
}

/* Each on_room is an event of its own: a script may take its time in it. */
static void queue_look(struct queue *q)
{
    if (q->count == 0)
        return;
    deadline_set(q->loop, &q->again, QUEUE_LOOK_MS);
    if (queue_call_one(q))
        loop_defer(q->loop, &q->woken);
}

static void on_woken(struct deferred *d)
{
    queue_look(list_entry(d, struct queue, woken));
}

static void on_again(struct deadline *d)
{
    queue_look(list_entry(d, struct queue, again));
}

void queue_note_woken(struct queue *q)
{
    if (q->count > 0)
        loop_defer(q->loop, &q->woken);
}
