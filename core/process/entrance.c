#include "process/entrance.h"

#include "base/mem.h"
#include "dial/link.h"
#include "proxy/room.h"
#include "shared/places.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

enum { DESCRIPTORS_KEPT = 64 }; /* for everything that is no connection */

/* --- how many --- */

/* Every client may need a connection to a backend, and the script has connections of its own. But
 * limits.connections is for people who know that most clients are idle. Where there are few
 * descriptors, half of them have to do for everything else. */
static unsigned clients_most(const struct config *config)
{
    struct rlimit descriptors = {.rlim_cur = 1024};
    uint64_t room, most, kept = DESCRIPTORS_KEPT + config->listen_count + config->workers;

    (void)!getrlimit(RLIMIT_NOFILE, &descriptors);
    kept += links_limit();
    room =
        descriptors.rlim_cur - (kept < descriptors.rlim_cur / 2 ? kept : descriptors.rlim_cur / 2);
    most = config->limits.connections > 0 ? room / 4 * 3 : room / 2;
    return most < UINT32_MAX ? (unsigned)most : UINT32_MAX;
}

/* An eighth of the clients that this worker may have may be without a handshake yet. */
static unsigned handshakes_most(const struct entrance *e)
{
    uint64_t part = e->most_of_all / e->workers, clients = part < e->most ? part : e->most;

    return clients >= 8 ? (unsigned)(clients / 8) : 1;
}

static void entrance_log_full(struct entrance *e)
{
    bool is_own = e->clients->open >= e->most;
    const char *most = LOG_NUMBER(is_own ? e->most : e->most_of_all);

    if (log_interval_count(&e->full_log, loop_now_ms(e->clients->loop), LOG_INTERVAL_MS) == 0)
        return;
    log_event(
        LOG_WARN, "connections_full", LOG_PAIRS({"#limit", most}),
        "limits.connections: %s %s clients: idle clients make room for new ones, or new ones wait",
        is_own ? "this worker has" : "there are", most);
}

/* --- the listeners' events --- */

static bool has_room_for_handshake(const struct listener *l)
{
    const struct entrance *e = l->owner;

    return !l->is_secure || e->clients->tls.unfinished_count < e->most_handshakes;
}

static bool has_room(struct listener *l)
{
    const struct entrance *e = l->owner;
    uint64_t most = e->most_of_all;

    return has_room_for_handshake(l) && e->clients->open < e->most &&
           (most == UINT64_MAX || places_taken(e->clients->segment) < most);
}

static bool on_full(struct listener *l)
{
    struct entrance *e = l->owner;

    if (!has_room_for_handshake(l))
        return clients_give_up_handshake(e->clients);
    entrance_log_full(e);
    if (clients_give_up(e->clients))
        return true;
    if (e->clients->open >= e->most)
        return false;
    places_want(e->clients->segment, e->clients->worker, loop_now_ms(e->clients->loop));
    return e->workers > 1 && places_taken(e->clients->segment) <= e->most_of_all;
}

static bool make_room_for_client(struct listener *l)
{
    struct entrance *e = l->owner;

    return room_make(e->clients, e->pools);
}

static void on_connection(struct listener *l, int socket, const struct sockaddr_in6 *peer)
{
    struct entrance *e = l->owner;

    clients_accept(e->clients, l, socket, peer);
}

static void on_closed(struct listener *l)
{
    struct entrance *e = l->owner;

    e->open--;
}

static bool make_room_for_lease(struct pools *pools)
{
    struct entrance *e = pools->owner;

    return room_make(e->clients, pools);
}

/* --- from the beginning to the end --- */

void entrance_init(struct entrance *e, struct clients *clients, struct pools *pools)
{
    *e = (struct entrance){.clients = clients, .pools = pools};
    pools->make_room = make_room_for_lease;
    pools->owner = e;
}

/* The listeners try again for the clients in their queues. */
static void entrance_ask_again(struct entrance *e)
{
    for (unsigned i = 0; i < e->count; i++)
        listener_go_on(&e->listeners[i]);
}

void entrance_note_left(struct entrance *e)
{
    places_free(e->clients->segment, e->clients->worker);
    entrance_ask_again(e);
}

void entrance_look(struct entrance *e)
{
    const struct segment *s = e->clients->segment;

    if (places_are_wanted(s, e->clients->worker) ||
        (e->most_of_all < UINT64_MAX && places_taken(s) > e->most_of_all))
        (void)clients_give_up(e->clients);
    entrance_ask_again(e);
}

void entrance_follow(struct entrance *e, const struct config *config)
{
    struct segment_worker *own = &e->clients->segment->workers[e->clients->worker];

    e->most = clients_most(config);
    e->most_of_all = config->limits.connections > 0 ? config->limits.connections : UINT64_MAX;
    e->workers = config->workers;
    e->most_handshakes = handshakes_most(e);
    atomic_store(&own->clients_most, e->most);
    atomic_store(&own->clients_most_of_all, e->most_of_all);
    entrance_ask_again(e);
}

int entrance_open(struct entrance *e, const struct config *config, const int *sockets,
                  unsigned count)
{
    CHECK(count == config->listen_count);
    e->listeners = mem_zalloc(count * sizeof *e->listeners);
    for (unsigned i = 0; i < count; i++) {
        struct listener *l = &e->listeners[i];
        int status;

        l->owner = e;
        l->number = (uint16_t)i;
        l->name = slice_of(config->listen[i].written);
        l->is_proxied = config->listen[i].proxy;
        l->is_h2c = config->listen[i].h2c;
        l->is_secure = config->listen[i].tls;
        l->has_room = has_room;
        l->on_full = on_full;
        l->make_room = make_room_for_client;
        l->on_connection = on_connection;
        l->on_closed = on_closed;
        status = listener_open(l, e->clients->loop, sockets[i]);
        e->count++;
        e->open++;
        if (status != 0)
            return status;
    }
    return 0;
}

void entrance_close(struct entrance *e)
{
    for (unsigned i = 0; i < e->count; i++)
        listener_accept_rest(&e->listeners[i]);
    entrance_leave(e);
}

void entrance_leave(struct entrance *e)
{
    for (unsigned i = 0; i < e->count; i++)
        listener_close(&e->listeners[i]);
}

void entrance_dispose(struct entrance *e)
{
    mem_free(e->listeners);
}
