#include "client/clients.h"

#include "base/mem.h"
#include "client/admission.h"
#include "client/h2.h"
#include "client/handshake.h"
#include "net/tls_tickets.h"

enum { SPARE_KEPT = 8 }; /* blocks of requests, however long nobody needs them */

void clients_init(struct clients *clients)
{
    for (unsigned i = 0; i < CLIENTS_LISTS; i++)
        list_init(&clients->lists[i]);
    list_init(&clients->spare);
    tls_server_init(&clients->tls, clients->loop);
    tls_tickets_share(clients->segment);
    clients_follow(clients, clients->config);
}

void clients_each(struct clients *clients, void (*visit)(struct client *))
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

void clients_follow(struct clients *clients, const struct config *config)
{
    clients->timeouts = config->timeouts;
    clients->limits = (struct parse_limits){.request_line = config->limits.request_line,
                                            .head = config->limits.head,
                                            .fields = config->limits.fields};
    clients->config = config;
    clients->weighs_requests =
        config->limits.per_client_requests > 0 || config->limits.connection_age_ms > 0;
    tls_server_follow(&clients->tls, &config->tls.sites);
    if (config->limits.per_client > 0)
        clients_each(clients, admission_count);
}

void clients_dispose(struct clients *clients)
{
    CHECK(clients->count == 0);
    clients_stop_moving(clients);
    blocks_free(clients, 0);
    tls_server_dispose(&clients->tls);
}

void clients_tick(struct clients *clients)
{
    unsigned unused = clients->spare_least;

    if (unused > SPARE_KEPT) {
        blocks_free(clients, clients->spare_count - (unused - SPARE_KEPT));
        mem_give_back();
    }
    clients->spare_least = clients->spare_count;
}

void clients_drain(struct clients *clients)
{
    clients_stop_moving(clients);
    clients->is_draining = true;
    clients_each(clients, client_drain);
}

bool clients_give_up_handshake(struct clients *clients)
{
    return handshake_give_up_first(clients);
}

static void client_cut(struct client *c)
{
    if (c->incoming != NULL)
        c->incoming->is_cut = true;
    if (c->h2 != NULL)
        h2_client_note_cut(c);
    client_close(c);
}

void clients_close_all(struct clients *clients)
{
    clients_each(clients, client_cut);
}
