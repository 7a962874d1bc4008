#include "upstream/pool.h"

#include "base/mem.h"
#include "upstream/freshness.h"
#include "upstream/pools.h"

enum { IDLE_CONNECTIONS_MAX = 1024 };

struct pool *pool_new(struct loop *loop, struct pools *pools)
{
    struct pool *pool = mem_zalloc(sizeof *pool);

    pool->loop = loop;
    pool->pools = pools;
    list_init(&pool->idle);
    list_init(&pool->back);
    list_init(&pool->bound);
    pools->open++;
    return pool;
}

static void pool_free_if_over(struct pool *pool)
{
    if (!pool->is_closing || pool->connections > 0)
        return;
    pool->pools->open--;
    mem_free(pool);
}

void pool_forget(struct pool *pool)
{
    pool->connections--;
    pool_free_if_over(pool);
}

static void close_all(struct list_node *list)
{
    while (!list_is_empty(list))
        outgoing_close(list_entry(list->next, struct outgoing, node));
}

void pool_close_idle(struct pool *pool)
{
    close_all(&pool->idle);
    close_all(&pool->back);
    close_all(&pool->bound);
}

void pool_close(struct pool *pool)
{
    pool_close_idle(pool); /* their close events come later */
    pool->is_closing = true;
    pool_free_if_over(pool);
}

/* A poll has begun since they came back. */
static void pool_settle(struct pool *pool)
{
    if (pool->settled_poll == loop_poll(pool->loop))
        return;
    pool->settled_poll = loop_poll(pool->loop);
    list_move_all(&pool->idle, &pool->back);
}

static struct outgoing *find_bound(const struct pool *pool, struct bond *bonds)
{
    for (struct bond *bond = bonds; bond != NULL; bond = bond->next) {
        struct outgoing *o = list_entry(bond, struct outgoing, bond);

        if (o->pool == pool)
            return o;
    }
    return NULL;
}

/* It is looked at always: a client that has one mostly sends what must not go out twice. */
static struct outgoing *take_bound(struct pool *pool, struct bond *bonds)
{
    struct outgoing *o = find_bound(pool, bonds);

    if (o == NULL)
        return NULL;
    if (stream_is_stale(&o->stream)) {
        outgoing_close(o);
        return NULL;
    }
    outgoing_wake(o, true);
    return o;
}

struct outgoing *pool_take(struct pool *pool, struct bond *bonds, bool may_repeat, uint64_t now_us)
{
    struct outgoing *own = bonds != NULL ? take_bound(pool, bonds) : NULL;

    if (own != NULL)
        return own;
    pool_settle(pool);
    for (;;) {
        bool was_polled = !list_is_empty(&pool->idle);
        struct list_node *from = was_polled ? &pool->idle : &pool->back;
        struct outgoing *o;

        if (list_is_empty(from))
            return NULL;
        o = list_entry(from->next, struct outgoing, node);
        if (was_polled && may_repeat && poll_is_fresh(pool->loop, now_us)) {
            outgoing_wake(o, false);
            return o;
        }
        if (!stream_is_stale(&o->stream)) {
            outgoing_wake(o, true);
            return o;
        }
        outgoing_close(o);
    }
}

/* One that could serve one client only goes before those that could serve all. NULL: none. */
static struct outgoing *pool_oldest(const struct pool *pool)
{
    const struct list_node *const lists[] = {&pool->bound, &pool->idle, &pool->back};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!list_is_empty(lists[i]))
            return list_entry(lists[i]->previous, struct outgoing, node);
    return NULL;
}

bool pool_close_oldest(struct pool *pool)
{
    struct outgoing *o = pool_oldest(pool);

    if (o != NULL)
        outgoing_close(o);
    return o != NULL;
}

static void pool_keep_bound(struct pool *pool, struct outgoing *o)
{
    struct outgoing *other = find_bound(pool, *o->bonds);

    if (other != NULL)
        outgoing_close(other);
    list_prepend(&pool->bound, &o->node);
    bond_tie(o->bonds, &o->bond);
}

void pool_return(struct outgoing *o)
{
    struct pool *pool = o->pool;

    if (pool->is_closing || !outgoing_is_reusable(o)) {
        outgoing_close(o);
        return;
    }
    outgoing_rest(o);
    pool_settle(pool);
    if (o->bonds != NULL)
        pool_keep_bound(pool, o);
    else
        list_prepend(&pool->back, &o->node);
    if (pool->connections > IDLE_CONNECTIONS_MAX)
        pool_close_oldest(pool);
}

/* --- leases --- */

static void lease_end(struct lease *lease)
{
    deferred_cancel(&lease->tell);
    deadline_clear(&lease->deadline);
}

void pool_cancel(struct lease *lease)
{
    lease_end(lease);
    opening_stop(&lease->opening);
}

static void on_refused(struct deferred *d)
{
    struct lease *lease = list_entry(d, struct lease, tell);

    lease->on_failed(lease, lease->refused);
}

static void on_too_late(struct deadline *d)
{
    struct lease *lease = list_entry(d, struct lease, deadline);

    pool_cancel(lease);
    lease->on_failed(lease, UV_ETIMEDOUT);
}

static void on_opened(struct outgoing *o, int status)
{
    struct lease *lease = o->owner;

    if (status == 0) {
        opening_won(&lease->opening, o);
        lease_end(lease);
        o->owner = NULL;
        lease->on_ready(lease, o);
    } else if (opening_lost(&lease->opening, o, status)) {
        lease_end(lease);
        lease->on_failed(lease, status);
    }
}

static int lease_connect(struct lease *lease, void **connection)
{
    struct outgoing *o = outgoing_new(lease->pool, lease, on_opened);
    int status = outgoing_open(o, lease->opening.to);

    *connection = o;
    if (status != 0)
        outgoing_close(o);
    return status;
}

/* An extra one is worth as much as the first: without it a lost SYN is a failed connect. */
static int lease_begin(struct opening *opening, void **connection)
{
    struct lease *lease = list_entry(opening, struct lease, opening);
    struct pools *pools = lease->pool->pools;
    int status = lease_connect(lease, connection);

    if (status == UV_EMFILE && pools->make_room(pools))
        status = lease_connect(lease, connection);
    return status;
}

static void lease_close(void *connection)
{
    outgoing_close(connection);
}

static const struct opening_kind lease_kind = {.begin = lease_begin, .close = lease_close};

void lease_init(struct lease *lease, void (*on_ready)(struct lease *, struct outgoing *),
                void (*on_failed)(struct lease *, int code))
{
    lease->on_ready = on_ready;
    lease->on_failed = on_failed;
    opening_init(&lease->opening, &lease_kind);
    deferred_init(&lease->tell, on_refused);
    deadline_init(&lease->deadline, on_too_late);
}

void pool_lease(struct pool *pool, struct lease *lease, const struct sockaddr *to,
                uint64_t connect_ms)
{
    lease->pool = pool;
    lease->refused = opening_start(&lease->opening, pool->loop, to, &pool->openings, connect_ms);
    if (lease->refused != 0)
        loop_defer(pool->loop, &lease->tell);
    else
        deadline_set(pool->loop, &lease->deadline, connect_ms);
}
