#include "client/clients.h"

#include "client/client.h"

void clients_init(struct clients *clients, struct loop *loop, const struct config *config,
                  struct segment_worker *slot, const struct clients_events *events, void *owner)
{
    *clients = (struct clients){.loop = loop, .slot = slot, .events = events, .owner = owner};
    list_init(&clients->all);
    list_init(&clients->spare);
    clients_follow(clients, config);
}

void clients_follow(struct clients *clients, const struct config *config)
{
    clients->timeouts = config->timeouts;
    clients->limits = (struct parse_limits){.request_line = config->limits.request_line,
                                            .head = config->limits.head,
                                            .fields = config->limits.fields};
}

static void clients_count(struct clients *clients, int change)
{
    clients->count += (unsigned)change;
    atomic_store_explicit(&clients->slot->clients, clients->count, memory_order_relaxed);
}

void clients_dispose(struct clients *clients)
{
    CHECK(clients->count == 0);
    incoming_free_spare(clients);
}

void clients_accept(struct clients *clients, struct listener *listener)
{
    struct client *c = client_new(clients, listener);

    list_append(&clients->all, &c->node);
    clients_count(clients, 1);
}

void clients_forget(struct clients *clients, struct client *c)
{
    list_remove(&c->node);
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
