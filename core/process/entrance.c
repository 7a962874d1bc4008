#include "process/entrance.h"

#include "base/log.h"
#include "base/mem.h"
#include "policy/link.h"
#include "proxy/room.h"

#include <stdio.h>
#include <sys/resource.h>

enum {
    FULL_AGAIN_MS = 10000, /* one line about clients that find no place, in so long */
    DESCRIPTORS_KEPT = 64, /* for everything that is no connection */
};

/* --- how many --- */

/* Every client may need a connection to a backend, and the script has connections of its own. But
 * who says how many clients there may be knows that most of them are idle. */
static unsigned clients_most(const struct config *config)
{
    struct rlimit descriptors;
    uint64_t room = 1024, most, kept = DESCRIPTORS_KEPT + links_limit();

    if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur > 2 * kept)
        room = descriptors.rlim_cur - kept;
    most = room / 2;
    if (config->limits.connections > 0) {
        uint64_t share = (config->limits.connections + config->workers - 1) / config->workers;

        most = room / 4 * 3;
        most = share < most ? share : most;
    }
    return most < UINT32_MAX ? (unsigned)most : UINT32_MAX;
}

static void entrance_tell_full(struct entrance *e)
{
    uint64_t now_ms = loop_now_ms(e->loop);
    char most[12];
    const struct log_pair pairs[] = {{"#limit", most}, {NULL, NULL}};

    if (now_ms < e->full_again_ms)
        return;
    e->full_again_ms = now_ms + FULL_AGAIN_MS;
    snprintf(most, sizeof most, "%u", e->most);
    log_event(
        LOG_WARN, "connections_full", pairs,
        "limits.connections: this worker has its share of %u clients: idle ones are closed for "
        "others, or these wait",
        e->most);
}

/* --- the listeners' events --- */

static bool has_room(struct listener *l)
{
    const struct entrance *e = l->owner;

    return e->clients->count < e->most;
}

static bool on_full(struct listener *l)
{
    struct entrance *e = l->owner;

    entrance_tell_full(e);
    return clients_give_up(e->clients);
}

static bool make_room(struct listener *l)
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

void entrance_init(struct entrance *e, struct loop *loop, struct clients *clients,
                   struct pools *pools)
{
    *e = (struct entrance){.loop = loop, .clients = clients, .pools = pools};
    pools->make_room = make_room_for_lease;
    pools->owner = e;
}

void entrance_follow(struct entrance *e, const struct config *config)
{
    e->most = clients_most(config);
    entrance_go_on(e);
}

int entrance_open(struct entrance *e, const int *sockets, unsigned count)
{
    e->listeners = mem_zalloc(count * sizeof *e->listeners);
    for (unsigned i = 0; i < count; i++) {
        struct listener *l = &e->listeners[i];
        int status;

        l->owner = e;
        l->has_room = has_room;
        l->on_full = on_full;
        l->make_room = make_room;
        l->on_connection = on_connection;
        l->on_closed = on_closed;
        status = listener_open(l, e->loop, sockets[i]);
        e->count++;
        e->open++;
        if (status != 0)
            return status;
    }
    return 0;
}

void entrance_go_on(struct entrance *e)
{
    if (e->clients->count < e->most)
        for (unsigned i = 0; i < e->count; i++)
            listener_go_on(&e->listeners[i]);
}

void entrance_close(struct entrance *e)
{
    for (unsigned i = 0; i < e->count; i++) {
        listener_accept_rest(&e->listeners[i]);
        listener_close(&e->listeners[i]);
    }
}

void entrance_dispose(struct entrance *e)
{
    mem_free(e->listeners);
}
