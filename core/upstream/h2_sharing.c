/*
 * Requests that wait, and connections:
 *
 *   sharing_await --> waits --> a connection has room --> on_ready
 *                       '-----> the connect to its address has failed --> on_failed
 *
 * As long as those that are opening, or whose SETTINGS are to come, are expected to have room for
 * all that wait, no more are opened.
 */
#include "base/mem.h"
#include "net/address.h"
#include "upstream/h2.h"

struct sharing_opening {
    struct opening opening;
    struct sharing *sharing;
    struct list_node node;
    struct sockaddr_storage to;
    struct deadline limit; /* a SYN that the kernel sends ever later is no way to wait for */
};

static void on_serve(struct deferred *);

void sharing_init(struct sharing *sharing, struct loop *loop, const struct sharing_events *events,
                  void *owner)
{
    sharing->loop = loop;
    sharing->events = events;
    sharing->owner = owner;
    list_init(&sharing->connections);
    list_init(&sharing->waits);
    list_init(&sharing->openings);
    deferred_init(&sharing->serve, on_serve);
}

void sharing_dispose(struct sharing *sharing)
{
    CHECK(list_is_empty(&sharing->waits) && list_is_empty(&sharing->openings) &&
          list_is_empty(&sharing->connections));
    deferred_cancel(&sharing->serve);
}

/* --- connections that are there --- */

static struct backend_h2 *connection_at(const struct list_node *node)
{
    return list_entry(node, struct backend_h2, node);
}

/* A request that must not go out twice would be lost on a connection that has rested, and that the
 * backend has closed meanwhile. */
static bool may_be_lost(struct backend_h2 *c, bool may_repeat)
{
    return !may_repeat && c->has_served && c->streams == 0 &&
           stream_look(&c->stream) != SOCKET_QUIET;
}

static struct backend_h2 *find_room(const struct sharing *sharing, bool may_repeat)
{
    const struct list_node *all = &sharing->connections;

    for (struct list_node *node = all->next; node != all; node = node->next) {
        struct backend_h2 *c = connection_at(node);

        if (backend_h2_has_room(c) && !may_be_lost(c, may_repeat))
            return c;
    }
    return NULL;
}

struct outgoing *sharing_take(struct sharing *sharing, bool may_repeat)
{
    struct backend_h2 *c;

    if (!list_is_empty(&sharing->waits)) /* they were here before */
        return NULL;
    c = find_room(sharing, may_repeat);
    return c != NULL ? backend_stream_new(c) : NULL;
}

void sharing_retire_all(struct sharing *sharing)
{
    while (!list_is_empty(&sharing->connections))
        backend_h2_retire(connection_at(sharing->connections.next));
}

bool sharing_close_oldest(struct sharing *sharing)
{
    const struct list_node *all = &sharing->connections;

    for (struct list_node *node = all->previous; node != all; node = node->previous) {
        if (connection_at(node)->streams > 0)
            continue;
        backend_h2_retire(connection_at(node));
        return true;
    }
    return false;
}

/* --- openings --- */

static void opening_end(struct sharing_opening *o)
{
    list_remove(&o->node);
    deadline_clear(&o->limit);
    opening_stop(&o->opening);
    mem_free(o);
}

static int opening_connect(struct sharing_opening *o, void **connection)
{
    struct backend_h2 *c;
    int status = backend_h2_open(&c, o->sharing, o->opening.to, o);

    *connection = c;
    return status;
}

static int on_begin(struct opening *opening, void **connection)
{
    struct sharing_opening *o = list_entry(opening, struct sharing_opening, opening);
    struct sharing *sharing = o->sharing;
    int status = opening_connect(o, connection);

    if (status == UV_EMFILE && sharing->events->make_room(sharing->owner))
        status = opening_connect(o, connection);
    return status;
}

static void on_close(void *connection)
{
    backend_h2_close(connection);
}

static const struct opening_kind opening_kind = {.begin = on_begin, .close = on_close};

/* Who still waits gets another. */
static void on_opening_late(struct deadline *d)
{
    struct sharing_opening *o = list_entry(d, struct sharing_opening, limit);
    struct sharing *sharing = o->sharing;

    opening_end(o);
    sharing_on_room(sharing);
}

static int opening_begin(struct sharing *sharing, const struct sharing_wait *wait)
{
    struct sharing_opening *o = mem_zalloc(sizeof *o);
    int status;

    o->sharing = sharing;
    memcpy(&o->to, wait->to, (size_t)address_length(wait->to));
    opening_init(&o->opening, &opening_kind);
    deadline_init(&o->limit, on_opening_late);
    deadline_set(sharing->loop, &o->limit, sharing->connect_ms);
    o->opening.insists = wait->insists;
    list_append(&sharing->openings, &o->node);
    status = opening_start(&o->opening, sharing->loop, (const struct sockaddr *)&o->to,
                           &sharing->account, sharing->connect_ms);
    if (status != 0)
        opening_end(o);
    return status;
}

static void stop_openings(struct sharing *sharing)
{
    while (!list_is_empty(&sharing->openings))
        opening_end(list_entry(sharing->openings.next, struct sharing_opening, node));
}

/* --- those that wait --- */

static struct sharing_wait *wait_at(const struct list_node *node)
{
    return list_entry(node, struct sharing_wait, node);
}

static bool leads_to(const struct sharing_wait *wait, const struct sockaddr *to)
{
    return wait->to->sa_family == to->sa_family &&
           memcmp(wait->to, to, (size_t)address_length(to)) == 0;
}

/* Each may wait again, for another address, in its event. */
static void fail_waits(struct sharing *sharing, const struct sockaddr_storage *to, int code,
                       const char *why)
{
    struct list_node failed, *node = sharing->waits.next;

    list_init(&failed);
    while (node != &sharing->waits) {
        struct sharing_wait *wait = wait_at(node);

        node = node->next;
        if (!leads_to(wait, (const struct sockaddr *)to))
            continue;
        list_remove(&wait->node);
        list_append(&failed, &wait->node);
    }
    while (!list_is_empty(&failed)) {
        struct sharing_wait *wait = wait_at(failed.next);

        list_remove(&wait->node);
        wait->on_failed(wait, code, why);
    }
}

static size_t count_openings(const struct sharing *sharing, const struct sharing_wait *wait)
{
    const struct list_node *all = &sharing->openings;
    size_t count = 0;

    for (const struct list_node *node = all->next; node != all; node = node->next) {
        const struct sharing_opening *o = list_entry(node, struct sharing_opening, node);

        count += leads_to(wait, (const struct sockaddr *)&o->to) ? 1 : 0;
    }
    return count;
}

static size_t count_waits(const struct sharing *sharing, const struct sockaddr *to)
{
    size_t count = 0;

    for (const struct list_node *node = sharing->waits.next; node != &sharing->waits;
         node = node->next)
        count += leads_to(wait_at(node), to) ? 1 : 0;
    return count;
}

/* Streams that connections will take that are not there, or not complete, at this moment. Of those
 * under way only those that lead where the request wants to go: the others may never open. */
static size_t expected_room(const struct sharing *sharing, const struct sharing_wait *wait)
{
    const struct list_node *all = &sharing->connections;
    size_t each = sharing->streams_max, room;

    if (sharing->peer_max > 0 && sharing->peer_max < each)
        each = sharing->peer_max;
    room = count_openings(sharing, wait) * each;
    for (const struct list_node *node = all->next; node != all; node = node->next) {
        const struct backend_h2 *c = connection_at(node);

        if (!c->wire.has_settings && c->streams < each)
            room += each - c->streams;
    }
    return room;
}

/* One to whose address too few connections are under way; NULL: there is none. */
static const struct sharing_wait *find_unserved(const struct sharing *sharing)
{
    const struct sharing_wait *last = NULL; /* others to its address need not be counted again */

    for (const struct list_node *node = sharing->waits.next; node != &sharing->waits;
         node = node->next) {
        const struct sharing_wait *wait = wait_at(node);

        if (last != NULL && leads_to(last, wait->to))
            continue;
        if (expected_room(sharing, wait) < count_waits(sharing, wait->to))
            return wait;
        last = wait;
    }
    return NULL;
}

static void open_more(struct sharing *sharing)
{
    const struct sharing_wait *wait;

    while ((wait = find_unserved(sharing)) != NULL) {
        struct sockaddr_storage to;
        int status;

        memcpy(&to, wait->to, (size_t)address_length(wait->to));
        status = opening_begin(sharing, wait);
        if (status != 0)
            fail_waits(sharing, &to, status, NULL);
    }
}

/* One that leads nowhere would keep what closes until the kernel gives up. */
static void stop_unwanted(struct sharing *sharing)
{
    if (sharing->is_closing && list_is_empty(&sharing->waits))
        stop_openings(sharing);
}

void sharing_close(struct sharing *sharing)
{
    sharing->is_closing = true;
    stop_unwanted(sharing);
}

static void on_serve(struct deferred *d)
{
    struct sharing *sharing = list_entry(d, struct sharing, serve);
    struct backend_h2 *c;

    while (!list_is_empty(&sharing->waits) && (c = find_room(sharing, false)) != NULL) {
        struct sharing_wait *wait = wait_at(sharing->waits.next);

        list_remove(&wait->node);
        wait->on_ready(wait, backend_stream_new(c));
    }
    open_more(sharing);
    stop_unwanted(sharing);
}

void sharing_on_room(struct sharing *sharing)
{
    if (!list_is_empty(&sharing->waits))
        loop_defer(sharing->loop, &sharing->serve);
}

void sharing_on_reached(struct sharing_opening *o, struct backend_h2 *c)
{
    opening_settle(&o->opening, c);
}

void sharing_on_opened(struct sharing_opening *o, struct backend_h2 *c, int status)
{
    struct sharing *sharing = o->sharing;
    struct sockaddr_storage to = o->to;
    const char *why = status == UV_EPROTO ? c->tls_fault : NULL;

    if (status == 0) {
        opening_won(&o->opening, c);
        opening_end(o);
        backend_h2_begin(c);
        sharing_on_room(sharing);
        if (backend_h2_is_outdated(c)) /* the rules of its handshake hold no more */
            backend_h2_retire(c);
    } else if (opening_lost(&o->opening, c, status)) {
        opening_end(o);
        fail_waits(sharing, &to, status, why);
        sharing_on_room(sharing);
    }
}

void sharing_await(struct sharing *sharing, struct sharing_wait *wait, const struct sockaddr *to,
                   uint64_t connect_ms)
{
    list_init(&wait->node);
    wait->to = to;
    sharing->connect_ms = connect_ms;
    list_append(&sharing->waits, &wait->node);
    loop_defer(sharing->loop, &sharing->serve);
}

void sharing_cancel(struct sharing *sharing, struct sharing_wait *wait)
{
    list_remove(&wait->node);
    if (list_is_empty(&sharing->waits))
        stop_openings(sharing);
}
