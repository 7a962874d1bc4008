#include "admin/server.h"

#include "admin/peer.h"
#include "base/mem.h"
#include "net/listener.h"

#include <unistd.h>

struct door {               /* of one kind of clients */
    struct list_node peers; /* the one that came first is first */
    unsigned count;
};

struct server {
    struct loop *loop;
    const struct admin *admin;
    struct door tcp, local;
    struct listener listeners[CONFIG_ADMIN_LISTEN_MAX];
};

static unsigned number_of(const struct listener *l)
{
    const struct server *s = l->owner;

    return (unsigned)(l - s->listeners);
}

static bool is_local(const struct listener *l)
{
    const struct server *s = l->owner;

    return s->admin->config->listen[number_of(l)].kind == ADDRESS_UNIX;
}

static struct door *door_of(struct listener *l)
{
    struct server *s = l->owner;

    return is_local(l) ? &s->local : &s->tcp;
}

static bool has_room(struct listener *l)
{
    return door_of(l)->count < SERVER_CLIENTS;
}

/* One that rests between two requests makes room. */
static bool on_full(struct listener *l)
{
    struct door *door = door_of(l);

    for (struct list_node *n = door->peers.next; n != &door->peers; n = n->next)
        if (peer_leaves_if_idle(list_entry(n, struct peer, node)))
            break;
    return false;
}

static bool make_room(struct listener *l)
{
    (void)l;
    return false;
}

static void on_peer_gone(struct peer *p)
{
    struct listener *l = p->owner;
    struct server *s = l->owner;

    door_of(l)->count--;
    mem_free(p);
    for (unsigned i = 0; i < s->admin->config->listen_count; i++)
        listener_go_on(&s->listeners[i]);
}

static void on_connection(struct listener *l, int socket, const struct sockaddr_in6 *from)
{
    struct server *s = l->owner;
    struct door *door = door_of(l);
    struct peer *p = mem_zalloc(sizeof *p);

    (void)from;
    door->count++;
    p->owner = l;
    p->admin = s->admin;
    p->is_local = is_local(l);
    p->on_gone = on_peer_gone;
    list_append(&door->peers, &p->node);
    peer_begin(p, s->loop, socket);
}

void server_leave(struct server *s)
{
    for (unsigned i = 0; i < s->admin->config->listen_count; i++)
        listener_close(&s->listeners[i]);
}

struct server *server_new(struct loop *loop, const struct admin *admin, const int *sockets)
{
    struct server *s = mem_zalloc(sizeof *s);

    s->loop = loop;
    s->admin = admin;
    list_init(&s->tcp.peers);
    list_init(&s->local.peers);
    for (unsigned i = 0; i < admin->config->listen_count; i++) {
        struct listener *l = &s->listeners[i];

        l->has_room = has_room;
        l->on_full = on_full;
        l->make_room = make_room;
        l->on_connection = on_connection;
        l->owner = s;
        if (listener_open(l, loop, sockets[i]) != 0)
            listener_close(l);
    }
    return s;
}
