#include "upstream/pool.h"

#include "base/mem.h"

enum { IDLE_CONNECTIONS_MAX = 1024 };

void pool_init(struct pool *pool, struct loop *loop, uint64_t connect_ms, uint64_t idle_ms)
{
    *pool = (struct pool){.loop = loop, .connect_ms = connect_ms, .idle_ms = idle_ms};
    list_init(&pool->idle);
}

void pool_close_idle(struct pool *pool)
{
    while (!list_is_empty(&pool->idle))
        outgoing_close(list_entry(pool->idle.next, struct outgoing, node));
}

void pool_close(struct pool *pool)
{
    pool->is_closing = true;
    pool_close_idle(pool);
}

struct outgoing *pool_take(struct pool *pool)
{
    struct outgoing *o;

    if (list_is_empty(&pool->idle))
        return NULL;
    o = list_entry(pool->idle.next, struct outgoing, node);
    outgoing_wake(o);
    return o;
}

void pool_return(struct outgoing *o)
{
    struct pool *pool = o->pool;

    if (pool->is_closing || !outgoing_is_reusable(o)) {
        outgoing_close(o);
        return;
    }
    outgoing_rest(o);
    list_prepend(&pool->idle, &o->node);
    if (pool->connections > IDLE_CONNECTIONS_MAX)
        outgoing_close(list_entry(pool->idle.previous, struct outgoing, node));
}

/* --- leases --- */

static void lease_end(struct lease *lease)
{
    deferred_cancel(&lease->tell);
    deadline_clear(&lease->deadline);
    lease->opening = NULL;
}

static void lease_fail(struct lease *lease, int code)
{
    struct outgoing *o = lease->opening;

    lease_end(lease);
    if (o != NULL)
        outgoing_close(o);
    lease->on_failed(lease, code);
}

static void on_refused(struct deferred *d)
{
    struct lease *lease = list_entry(d, struct lease, tell);

    lease_fail(lease, lease->refused);
}

static void on_too_late(struct deadline *d)
{
    lease_fail(list_entry(d, struct lease, deadline), UV_ETIMEDOUT);
}

static void on_opened(struct outgoing *o, int status)
{
    struct lease *lease = o->owner;

    if (status != 0) {
        lease_fail(lease, status);
        return;
    }
    lease_end(lease);
    o->owner = NULL;
    lease->on_ready(lease, o);
}

void pool_lease(struct pool *pool, struct lease *lease, const struct sockaddr *to)
{
    deferred_init(&lease->tell, on_refused);
    deadline_init(&lease->deadline, on_too_late);
    lease->refused = 0;
    lease->opening = outgoing_new(pool, lease, on_opened);
    lease->refused = outgoing_open(lease->opening, to);
    if (lease->refused != 0)
        loop_defer(pool->loop, &lease->tell);
    else
        deadline_set(pool->loop, &lease->deadline, pool->connect_ms);
}

void pool_cancel(struct lease *lease)
{
    struct outgoing *o = lease->opening;

    lease_end(lease);
    if (o != NULL)
        outgoing_close(o);
}
