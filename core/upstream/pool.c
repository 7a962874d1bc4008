#include "upstream/pool.h"

#include "base/mem.h"
#include "shared/backend_numbers.h"
#include "upstream/h1.h"

enum { IDLE_CONNECTIONS_MAX = 1024 };

static struct pool *pool_new(struct pools *pools, unsigned slot)
{
    struct pool *pool = mem_zalloc(sizeof *pool);

    pool->all = pools;
    pool->loop = pools->loop;
    pool->shown = numbers_pool(pools->segment, pools->worker, slot);
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
    pool->all->open--;
    tls_target_dispose(&pool->target);
    if (pool->sharing != NULL)
        sharing_dispose(pool->sharing);
    mem_free(pool->sharing);
    mem_free(pool);
}

static void note_open(struct pool *pool)
{
    pool->connections++;
    numbers_note_open(pool->shown, 1);
}

static void note_closed(struct pool *pool)
{
    pool->connections--;
    numbers_note_open(pool->shown, -1);
    pool_free_if_over(pool);
}

static void note_idle(struct h1_connection *c, bool is_idle)
{
    if (c->is_idle != is_idle)
        numbers_note_idle(c->pool->shown, is_idle ? 1 : -1);
    c->is_idle = is_idle;
}

static void on_closed(struct h1_connection *c)
{
    note_idle(c, false);
    note_closed(c->pool);
}

static void close_all(struct list_node *list)
{
    while (!list_is_empty(list))
        h1_close(list_entry(list->next, struct h1_connection, node));
}

void pool_close_idle(struct pool *pool)
{
    if (pool->sharing != NULL)
        sharing_retire_all(pool->sharing);
    close_all(&pool->idle);
    close_all(&pool->back);
    close_all(&pool->bound);
}

struct pool *pools_use(struct pools *pools, unsigned slot, uint64_t idle_ms)
{
    struct pool **pool;

    CHECK(slot < SEGMENT_BACKENDS_MAX);
    pool = &pools->list[slot];
    if (*pool == NULL)
        *pool = pool_new(pools, slot);
    (*pool)->uses++;
    (*pool)->idle_ms = idle_ms;
    return *pool;
}

static void on_shared_begun(void *owner)
{
    note_open(owner);
}

static void on_shared_closed(void *owner)
{
    note_closed(owner);
}

static void on_shared_idle(void *owner, int more)
{
    numbers_note_idle(((struct pool *)owner)->shown, more);
}

static bool make_room(void *owner)
{
    struct pools *all = ((struct pool *)owner)->all;

    return all->make_room(all);
}

void pool_share(struct pool *pool, uint32_t streams_max)
{
    static const struct sharing_events events = {.on_begun = on_shared_begun,
                                                 .on_closed = on_shared_closed,
                                                 .on_idle = on_shared_idle,
                                                 .make_room = make_room};

    if (pool->sharing == NULL) {
        pool->sharing = mem_zalloc(sizeof *pool->sharing);
        sharing_init(pool->sharing, pool->loop, &events, pool);
        pool->sharing->target = &pool->target;
    }
    pool->sharing->streams_max = streams_max;
    pool->sharing->idle_ms = pool->idle_ms;
}

void pools_release(struct pools *pools, unsigned slot)
{
    struct pool *pool = pools->list[slot];

    if (--pool->uses > 0)
        return;
    pools->list[slot] = NULL;
    pool_close_idle(pool); /* their close events come later */
    pool->is_closing = true;
    if (pool->sharing != NULL)
        sharing_close(pool->sharing);
    pool_free_if_over(pool);
}

void pool_secure(struct pool *pool, const struct tls_remote_rules *rules, struct slice name)
{
    struct slice protocols = pool->sharing != NULL ? SLICE("\x02h2") : SLICE("\x08http/1.1");

    if (tls_target_set(&pool->target, rules, name, protocols))
        pool_close_idle(pool); /* they were opened by other rules */
}

/* A poll has begun since they came back. */
static void pool_settle(struct pool *pool)
{
    if (pool->settled_poll == loop_poll(pool->loop))
        return;
    pool->settled_poll = loop_poll(pool->loop);
    list_move_all(&pool->idle, &pool->back);
}

static struct h1_connection *find_bound(const struct pool *pool, struct bond *bonds)
{
    for (struct bond *bond = bonds; bond != NULL; bond = bond->next) {
        struct h1_connection *c = list_entry(bond, struct h1_connection, bond);

        if (c->pool == pool)
            return c;
    }
    return NULL;
}

static void lend(struct h1_connection *c, bool was_looked_at)
{
    note_idle(c, false);
    h1_wake(c, was_looked_at);
}

/* It is looked at always: a client that has one usually sends what must not go out twice. */
static struct h1_connection *take_bound(struct pool *pool, struct bond *bonds)
{
    struct h1_connection *c = find_bound(pool, bonds);

    if (c == NULL)
        return NULL;
    if (h1_is_stale(c)) {
        h1_close(c);
        return NULL;
    }
    lend(c, true);
    return c;
}

struct outgoing *pool_take(struct pool *pool, const struct outgoing_request *request,
                           uint64_t now_us)
{
    struct bond *bonds = *request->bonds;
    struct h1_connection *own = bonds != NULL ? take_bound(pool, bonds) : NULL;

    if (pool->sharing != NULL)
        return sharing_take(pool->sharing, request->may_repeat);
    if (own != NULL)
        return &own->half;
    pool_settle(pool);
    for (;;) {
        bool was_polled = !list_is_empty(&pool->idle);
        struct list_node *from = was_polled ? &pool->idle : &pool->back;
        struct h1_connection *c;

        if (list_is_empty(from))
            return NULL;
        c = list_entry(from->next, struct h1_connection, node);
        if (was_polled && request->may_repeat && poll_is_fresh(pool->loop, now_us)) {
            lend(c, false);
            return &c->half;
        }
        if (!h1_is_stale(c)) {
            lend(c, true);
            return &c->half;
        }
        h1_close(c);
    }
}

/* A connection for one client only goes before those that could serve all. NULL: none. */
static struct h1_connection *pool_oldest(const struct pool *pool)
{
    const struct list_node *const lists[] = {&pool->bound, &pool->idle, &pool->back};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!list_is_empty(lists[i]))
            return list_entry(lists[i]->previous, struct h1_connection, node);
    return NULL;
}

static bool pool_close_oldest(struct pool *pool)
{
    struct h1_connection *c = pool_oldest(pool);

    if (pool->sharing != NULL)
        return sharing_close_oldest(pool->sharing);
    if (c != NULL)
        h1_close(c);
    return c != NULL;
}

bool pools_close_oldest(struct pools *pools)
{
    bool is_closed = false;

    for (unsigned slot = 0; slot < SEGMENT_BACKENDS_MAX; slot++)
        if (pools->list[slot] != NULL)
            is_closed |= pool_close_oldest(pools->list[slot]);
    return is_closed;
}

static size_t pool_idle_bytes(const struct pool *pool)
{
    const struct list_node *const lists[] = {&pool->bound, &pool->idle, &pool->back};
    size_t bytes = 0;

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct list_node *node = lists[i]->next; node != lists[i]; node = node->next)
            bytes += TLS_HELD_BYTES;
    return bytes;
}

size_t pools_idle_bytes(const struct pools *pools)
{
    size_t bytes = 0;

    for (unsigned slot = 0; slot < SEGMENT_BACKENDS_MAX; slot++)
        if (pools->list[slot] != NULL && tls_target_is_set(&pools->list[slot]->target))
            bytes += pool_idle_bytes(pools->list[slot]);
    return bytes;
}

static void pool_keep_bound(struct pool *pool, struct h1_connection *c)
{
    struct h1_connection *other = find_bound(pool, *c->bonds);

    if (other != NULL)
        h1_close(other);
    list_prepend(&pool->bound, &c->node);
    bond_tie(c->bonds, &c->bond);
}

/* It shook hands by rules that hold no more. */
static bool is_outdated(const struct pool *pool, const struct h1_connection *c)
{
    const struct tls *tls = c->stream.tls;

    return tls != NULL && tls->target_version != pool->target.version;
}

static void pool_return_connection(struct outgoing *o)
{
    struct h1_connection *c = h1_of(o);
    struct pool *pool = c->pool;

    DCHECK(o->state == OUTGOING_OVER);
    if (pool->is_closing || !h1_is_reusable(c) || is_outdated(pool, c)) {
        h1_close(c);
        return;
    }
    h1_rest(c, pool->idle_ms);
    note_idle(c, true);
    pool_settle(pool);
    if (c->bonds != NULL)
        pool_keep_bound(pool, c);
    else
        list_prepend(&pool->back, &c->node);
    if (pool->connections > IDLE_CONNECTIONS_MAX)
        pool_close_oldest(pool);
}

void pool_return(struct outgoing *o)
{
    if (outgoing_is_stream(o))
        backend_stream_return(o);
    else
        pool_return_connection(o);
}

/* --- leases --- */

static void lease_end(struct lease *lease)
{
    CHECK(lease->pool != NULL);
    lease->pool = NULL;
    deferred_cancel(&lease->fail);
    deadline_clear(&lease->deadline);
}

void pool_cancel(struct lease *lease)
{
    struct sharing *sharing = lease->pool->sharing;

    lease_end(lease);
    if (sharing != NULL)
        sharing_cancel(sharing, &lease->wait);
    else
        opening_stop(&lease->opening);
}

static void on_refused(struct deferred *d)
{
    struct lease *lease = list_entry(d, struct lease, fail);

    lease_end(lease);
    lease->on_failed(lease, lease->refused);
}

static void on_too_late(struct deadline *d)
{
    struct lease *lease = list_entry(d, struct lease, deadline);

    pool_cancel(lease);
    lease->on_failed(lease, UV_ETIMEDOUT);
}

static void on_reached(struct h1_connection *c)
{
    struct lease *lease = c->lease;

    opening_settle(&lease->opening, c);
}

static void on_opened(struct h1_connection *c, int status)
{
    struct lease *lease = c->lease;

    CHECK(lease->pool == c->pool);
    lease->why = status == UV_EPROTO ? h1_why(c) : NULL;
    if (status == 0) {
        opening_won(&lease->opening, c);
        lease_end(lease);
        c->lease = NULL;
        lease->on_ready(lease, &c->half);
    } else if (opening_lost(&lease->opening, c, status)) {
        lease_end(lease);
        lease->on_failed(lease, status);
    }
}

static const struct h1_events h1_events = {
    .on_reached = on_reached,
    .on_opened = on_opened,
    .on_closed = on_closed,
};

static int lease_connect(struct lease *lease, void **connection)
{
    struct pool *pool = lease->pool;
    struct h1_connection *c;
    struct tls_target *target = tls_target_is_set(&pool->target) ? &pool->target : NULL;
    int status = h1_open(&c, pool, pool->loop, lease->opening.to, target, &h1_events, lease);

    note_open(pool); /* on_closed comes, too, if it could not begin to open */
    *connection = c;
    return status;
}

/* An extra one is worth as much as the first: without it a lost SYN is a failed connect. */
static int lease_begin(struct opening *opening, void **connection)
{
    struct lease *lease = list_entry(opening, struct lease, opening);
    struct pools *all = lease->pool->all;
    int status = lease_connect(lease, connection);

    if (status == UV_EMFILE && all->make_room(all))
        status = lease_connect(lease, connection);
    return status;
}

static void lease_close(void *connection)
{
    h1_close(connection);
}

static void on_wait_ready(struct sharing_wait *wait, struct outgoing *o)
{
    struct lease *lease = list_entry(wait, struct lease, wait);

    lease_end(lease);
    lease->on_ready(lease, o);
}

static void on_wait_failed(struct sharing_wait *wait, int code, const char *why)
{
    struct lease *lease = list_entry(wait, struct lease, wait);

    lease_end(lease);
    lease->why = why;
    lease->on_failed(lease, code);
}

static void lease_await(struct lease *lease, const struct sockaddr *to, uint64_t connect_ms)
{
    lease->opening.to = to;
    lease->wait = (struct sharing_wait){
        .on_ready = on_wait_ready, .on_failed = on_wait_failed, .insists = lease->opening.insists};
    sharing_await(lease->pool->sharing, &lease->wait, to, connect_ms);
    deadline_set(lease->pool->loop, &lease->deadline, connect_ms);
}

static const struct opening_kind lease_kind = {.begin = lease_begin, .close = lease_close};

void lease_init(struct lease *lease, void (*on_ready)(struct lease *, struct outgoing *),
                void (*on_failed)(struct lease *, int code))
{
    lease->pool = NULL;
    lease->why = NULL;
    lease->on_ready = on_ready;
    lease->on_failed = on_failed;
    opening_init(&lease->opening, &lease_kind);
    deferred_init(&lease->fail, on_refused);
    deadline_init(&lease->deadline, on_too_late);
}

void pool_lease(struct pool *pool, struct lease *lease, const struct sockaddr *to,
                uint64_t connect_ms)
{
    CHECK(lease->pool == NULL && !pool->is_closing);
    lease->pool = pool;
    if (pool->sharing != NULL) {
        lease_await(lease, to, connect_ms);
        return;
    }
    lease->refused = opening_start(&lease->opening, pool->loop, to, &pool->openings, connect_ms);
    if (lease->refused != 0)
        loop_defer(pool->loop, &lease->fail);
    else
        deadline_set(pool->loop, &lease->deadline, connect_ms);
}
