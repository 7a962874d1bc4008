#include "client/clients.h"

#include "base/log.h"
#include "base/mem.h"
#include "client/client.h"
#include "shared/callers.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    REFUSED_MAX = 64,       /* that wait for a request to be answered; others are reset at once */
    REFUSED_WAIT_MS = 2000, /* in which it has to be there, unless timeouts want it sooner */
    SPARE_KEPT = 8,         /* blocks of incomings, however long nobody needs them */
    TELL_AGAIN_MS = 10000,  /* one line about refused connections, in so long */
};

void clients_init(struct clients *clients, struct loop *loop, const struct config *config,
                  struct segment *segment, unsigned worker, const struct clients_events *events,
                  void *owner)
{
    *clients = (struct clients){
        .loop = loop, .segment = segment, .worker = worker, .events = events, .owner = owner};
    list_init(&clients->all);
    list_init(&clients->spare);
    clients_follow(clients, config);
}

/* --- connections of one address --- */

/* Trusted proxies speak for many. */
static bool client_is_caller(const struct client *c)
{
    const struct config *config = c->clients->config;

    return !c->is_refused && c->state != CLIENT_CLOSING &&
           !network_any_has(config->trusted_proxies, config->trusted_proxies_count, &c->peer);
}

/* How many its address has now, or 0 if that is not known. */
static uint32_t client_count_caller(struct client *c)
{
    struct clients *clients = c->clients;
    struct network client;
    uint64_t key;
    uint32_t count;

    network_of_client(&client, &c->peer);
    key = callers_key(clients->segment, client.address);
    count = callers_add(clients->segment, clients->worker, key);
    c->caller = count > 0 ? key : 0;
    return count;
}

void client_uncount_caller(struct client *c)
{
    if (c->caller != 0)
        callers_remove(c->clients->segment, c->clients->worker, c->caller);
    c->caller = 0;
}

/* The setting may be new, and those that are there stay. */
static void clients_count_callers(struct clients *clients)
{
    for (struct list_node *node = clients->all.next; node != &clients->all; node = node->next) {
        struct client *c = list_entry(node, struct client, node);

        if (c->caller == 0 && client_is_caller(c))
            client_count_caller(c);
    }
}

static void clients_tell_refused(struct clients *clients, const struct client *c)
{
    uint64_t now_ms = loop_now_ms(clients->loop), limit = clients->config->limits.per_client;
    char most[24], refused[24];
    struct log_pair pairs[] = {
        {"client", ""}, {"#limit", most}, {"#refused", refused}, {NULL, NULL}};
    struct buffer ip = {0};

    clients->refused_untold++;
    if (now_ms < clients->tell_again_ms)
        return;
    clients->tell_again_ms = now_ms + TELL_AGAIN_MS;
    snprintf(most, sizeof most, "%" PRIu64, limit);
    snprintf(refused, sizeof refused, "%" PRIu64, clients->refused_untold);
    clients->refused_untold = 0;
    address_format_host(&ip, (const struct sockaddr *)&c->peer);
    buffer_append_byte(&ip, '\0');
    pairs[0].value = ip.bytes;
    log_event(LOG_WARN, "client_refused", pairs,
              "limits.per_client: %s has as many connections as it may, %s: more are refused",
              ip.bytes, most);
    buffer_dispose(&ip);
}

/* It is told by the answer to its request, if that comes soon. Neither memory nor descriptors are
 * there for any number of those. */
static void client_refuse(struct client *c)
{
    struct clients *clients = c->clients;

    clients_tell_refused(clients, c);
    if (clients->refused == REFUSED_MAX) {
        client_reset(c);
        return;
    }
    clients->refused++;
    c->is_refused = true;
    if (c->deadline.at_ms > loop_now_ms(clients->loop) + REFUSED_WAIT_MS)
        deadline_set(clients->loop, &c->deadline, REFUSED_WAIT_MS);
}

static void client_check_callers(struct client *c)
{
    uint64_t most = c->clients->config->limits.per_client;

    if (most == 0 || !client_is_caller(c) || client_count_caller(c) <= most)
        return;
    client_uncount_caller(c);
    client_refuse(c);
}

/* --- all of them --- */

void clients_follow(struct clients *clients, const struct config *config)
{
    clients->timeouts = config->timeouts;
    clients->limits = (struct parse_limits){.request_line = config->limits.request_line,
                                            .head = config->limits.head,
                                            .fields = config->limits.fields};
    clients->config = config;
    if (config->limits.per_client > 0)
        clients_count_callers(clients);
}

static void clients_count(struct clients *clients, int change)
{
    clients->count += (unsigned)change;
    atomic_store_explicit(&clients->segment->workers[clients->worker].clients, clients->count,
                          memory_order_relaxed);
}

void clients_dispose(struct clients *clients)
{
    CHECK(clients->count == 0);
    incoming_free_spare(clients, 0);
}

void clients_tick(struct clients *clients)
{
    unsigned unused = clients->spare_least;

    if (unused > SPARE_KEPT) {
        incoming_free_spare(clients, clients->spare_count - (unused - SPARE_KEPT));
        mem_give_back();
    }
    clients->spare_least = clients->spare_count;
}

void clients_accept(struct clients *clients, const struct listener *listener, int socket,
                    const struct sockaddr_in6 *peer)
{
    struct client *c = client_new(clients, listener, socket, peer);

    list_append(&clients->all, &c->node);
    clients_count(clients, 1);
    client_check_callers(c);
}

void clients_forget(struct clients *clients, struct client *c)
{
    list_remove(&c->node);
    clients->refused -= c->is_refused ? 1 : 0;
    clients_count(clients, -1);
    clients->events->on_closed(clients);
}

void clients_drain(struct clients *clients)
{
    struct list_node *node = clients->all.next;

    clients->is_draining = true;
    while (node != &clients->all) {
        struct client *c = list_entry(node, struct client, node);

        node = node->next;
        client_drain(c);
    }
}

void clients_close_all(struct clients *clients)
{
    struct list_node *node = clients->all.next;

    while (node != &clients->all) {
        struct client *c = list_entry(node, struct client, node);

        node = node->next;
        if (c->incoming != NULL)
            c->incoming->is_cut = true;
        client_close(c);
    }
}
