/*
 * A connection begins: somebody has connected, or another worker has sent it on.
 */
#include "base/mem.h"
#include "client/admission.h"
#include "client/clients.h"
#include "client/h2.h"
#include "client/handshake.h"
#include "client/introduction.h"
#include "client/patience.h"

enum { DRAIN_GRACE_MS = 300 };

/* In which a first request has to be complete. */
uint64_t client_first_head_ms(const struct clients *clients)
{
    return clients->is_draining && clients->moving == NULL ? DRAIN_GRACE_MS
                                                           : clients->timeouts.request_head_ms;
}

void client_admit(struct client *c)
{
    if (!admission_admits(c))
        client_reset(c);
    else if (c->listener->is_secure)
        handshake_begin(c);
    else if (c->listener->is_h2c)
        client_enter(c, CLIENT_PREFACE);
}

static struct client *client_new(struct clients *clients, const struct listener *listener,
                                 int socket, const struct sockaddr_in6 *peer)
{
    struct client *c = mem_zalloc(sizeof *c);

    c->clients = clients;
    c->listener = listener;
    c->peer = *peer;
    c->is_new = true;
    c->accepted_ms = (uint32_t)loop_now_ms(clients->loop);
    deadline_init(&c->deadline, client_on_deadline);
    deferred_init(&c->resume, client_on_resume);
    list_init(&c->node);
    stream_accept(&c->stream, clients->loop, socket, &client_stream_events);
    deadline_set(clients->loop, &c->deadline, client_first_head_ms(clients));
    client_resume_later(c);
    client_take_place(c);
    return c;
}

void clients_accept(struct clients *clients, const struct listener *listener, int socket,
                    const struct sockaddr_in6 *peer)
{
    struct client *c = client_new(clients, listener, socket, peer);

    totals_add(TOTALS_CONNECTIONS, 1);
    if (listener->is_proxied)
        introduction_begin(c);
    else
        client_admit(c);
}

/* It was let in before: no limit refuses it now. */
void client_arrive(struct clients *clients, const struct listener *listener, int socket,
                   const struct arrival *from)
{
    struct client *c = client_new(clients, listener, socket, &from->peer);

    if (from->tls.length > 0 &&
        !stream_arrive_secure(&c->stream, &clients->tls,
                              &(struct slice){from->tls.start, from->tls.length})) {
        client_close(c);
        return;
    }
    c->accepted_ms -= from->age_ms;
    c->has_served = from->has_served;
    c->is_nameless = from->is_nameless;
    if (!from->is_introduced) {
        introduction_begin(c);
        return;
    }
    if (clients->config->limits.per_client > 0)
        admission_count(c);
    if (listener->is_h2c && !c->has_served)
        client_enter(c, CLIENT_PREFACE);
    if (!c->has_served)
        return;
    resting_note(c, CLIENTS_IDLE);
    deadline_set(clients->loop, &c->deadline, patience_ms(PATIENCE_RESTING, &clients->timeouts));
}

/* A request that is on its way, or is there and not read yet, is still served. */
void client_drain(struct client *c)
{
    if (c->h2 != NULL) {
        h2_client_drain(c);
        return;
    }
    if (!client_is_resting(c)) {
        if (c->incoming != NULL)
            c->incoming->closes = true;
        return;
    }
    if (!c->has_served || stream_is_stale(&c->stream))
        deadline_set(c->clients->loop, &c->deadline, DRAIN_GRACE_MS);
    else
        client_close(c);
}
