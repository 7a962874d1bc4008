#include "client/clients.h"

#include "base/log.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/introduction.h"
#include "client/watch.h"
#include "shared/callers.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    REFUSED_MAX = 64,       /* that wait for a request to be answered; others are reset at once */
    REFUSED_WAIT_MS = 2000, /* in which it has to be there, unless timeouts want it sooner */
    SPARE_KEPT = 8,         /* blocks of incomings, however long nobody needs them */
    TELL_AGAIN_MS = 10000,  /* one line about refused connections, in so long */
    REST_LEAST_MS = 50,     /* the next request may be on its way */
};

void clients_init(struct clients *clients, struct loop *loop, const struct config *config,
                  struct segment *segment, unsigned worker, const struct clients_events *events,
                  void *owner)
{
    *clients = (struct clients){
        .loop = loop, .segment = segment, .worker = worker, .events = events, .owner = owner};
    for (unsigned i = 0; i < CLIENTS_LISTS; i++)
        list_init(&clients->lists[i]);
    list_init(&clients->spare);
    clients_follow(clients, config);
}

/* A visitor may close the one that it is shown. */
static void clients_each(struct clients *clients, void (*visit)(struct client *))
{
    for (unsigned i = 0; i < CLIENTS_LISTS; i++) {
        struct list_node *node = clients->lists[i].next;

        while (node != &clients->lists[i]) {
            struct client *c = list_entry(node, struct client, node);

            node = node->next;
            visit(c);
        }
    }
}

/* --- connections of one address --- */

bool client_is_trusted(const struct client *c)
{
    const struct config *config = c->clients->config;

    return network_any_has(config->trusted_proxies, config->trusted_proxies_count, &c->peer);
}

/* Trusted proxies speak for many. */
static bool client_is_caller(const struct client *c)
{
    return !c->is_refused && c->state != CLIENT_CLOSING && !client_is_trusted(c);
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
static void client_count_late(struct client *c)
{
    if (c->caller == 0 && client_is_caller(c))
        client_count_caller(c);
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

void client_check_callers(struct client *c)
{
    uint64_t most = c->clients->config->limits.per_client;

    if (most == 0 || !client_is_caller(c) || client_count_caller(c) <= most)
        return;
    client_uncount_caller(c);
    client_refuse(c);
}

/* --- giving up --- */

void clients_note_rest(struct client *c, enum clients_list list)
{
    c->rested_ms = (uint32_t)loop_now_ms(c->clients->loop);
    list_remove(&c->node);
    list_append(&c->clients->lists[list], &c->node);
}

/* Where it belongs, which may be where it is not yet. */
static enum clients_list client_belongs_to(const struct client *c)
{
    if (c->state == CLIENT_LINGERING)
        return CLIENTS_LEAVING;
    if (!client_is_resting(c))
        return CLIENTS_BUSY;
    if (!c->has_served)
        return CLIENTS_SILENT;
    return client_is_trusted(c) ? CLIENTS_TRUSTED : CLIENTS_IDLE;
}

/* The first that belongs to the list. Moves others to theirs: so each is met once for each time
 * that it rested, however many there are. */
static struct client *clients_first(struct clients *clients, enum clients_list list)
{
    struct list_node *head = &clients->lists[list];

    while (!list_is_empty(head)) {
        struct client *c = list_entry(head->next, struct client, node);
        enum clients_list right = client_belongs_to(c);

        if (right <= list)
            return c;
        list_remove(&c->node);
        list_append(&clients->lists[right], &c->node);
    }
    return NULL;
}

/* What has come is read in this turn. An answer that the client's system does not have yet would be
 * lost. */
static bool client_may_go(const struct client *c)
{
    uint32_t rests_ms = (uint32_t)loop_now_ms(c->clients->loop) - c->rested_ms;

    return rests_ms >= REST_LEAST_MS && !stream_has_bytes(&c->stream) &&
           (c->state != CLIENT_LINGERING || stream_unsent(&c->stream) == 0);
}

bool clients_give_up(struct clients *clients)
{
    for (unsigned list = 0; list < CLIENTS_BUSY; list++) {
        struct client *c = clients_first(clients, list);

        if (c != NULL && client_may_go(c)) {
            client_close(c);
            return true;
        }
        if (c != NULL && list == CLIENTS_IDLE) /* while there are others trusted ones stay */
            return false;
    }
    return false;
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
        clients_each(clients, client_count_late);
}

static void clients_count(struct clients *clients, int change)
{
    clients->open += (unsigned)change;
    atomic_store_explicit(&clients->segment->workers[clients->worker].clients, clients->open,
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

    clients_note_rest(c, CLIENTS_SILENT);
    clients->count++;
    clients_count(clients, 1);
    if (listener->is_proxied)
        introduction_begin(c);
    else
        client_check_callers(c);
}

void clients_note_left(struct clients *clients)
{
    clients_count(clients, -1);
    clients->events->on_left(clients);
}

void clients_forget(struct clients *clients, struct client *c)
{
    list_remove(&c->node);
    clients->refused -= c->is_refused ? 1 : 0;
    clients->count--;
}

void clients_drain(struct clients *clients)
{
    clients->is_draining = true;
    clients_each(clients, client_drain);
}

static void client_cut(struct client *c)
{
    if (c->incoming != NULL)
        c->incoming->is_cut = true;
    client_close(c);
}

void clients_close_all(struct clients *clients)
{
    clients_each(clients, client_cut);
}
