#include "client/relief.h"

#include "base/mem.h"
#include "client/client.h"

static void holders_note(struct holders *holders, struct client *c, size_t bytes)
{
    struct holder *list = holders->list;
    unsigned at = holders->count;

    if (at == HOLDERS_MAX && list[--at].bytes >= bytes)
        return;
    for (; at > 0 && list[at - 1].bytes < bytes; at--)
        list[at] = list[at - 1];
    list[at] = (struct holder){c, bytes};
    if (holders->count < HOLDERS_MAX)
        holders->count++;
}

static void holders_weigh(struct holders *holders, struct client *c)
{
    size_t bytes;

    if (c->state == CLIENT_CLOSING)
        return;
    bytes = client_held_bytes(c);
    if (bytes > 0)
        holders_note(holders, c, bytes);
    else
        holders->idle_bytes += mem_size(c);
}

void holders_find(struct holders *holders, struct clients *clients)
{
    holders->count = 0;
    holders->idle_bytes = 0;
    incoming_free_spare(clients, 0);
    clients->spare_least = 0;
    for (unsigned i = 0; i < CLIENTS_LISTS; i++) {
        struct list_node *head = &clients->lists[i];

        for (struct list_node *node = head->next; node != head; node = node->next)
            holders_weigh(holders, list_entry(node, struct client, node));
    }
}

unsigned holders_end(const struct holders *holders, size_t bytes)
{
    unsigned ended = 0;
    size_t freed = 0;

    for (unsigned i = 0; i < holders->count && freed < bytes; i++) {
        struct client *c = holders->list[i].client;

        if (c->state == CLIENT_CLOSING)
            continue; /* it went with one before it */
        freed += holders->list[i].bytes;
        client_end_request(c);
        ended++;
    }
    return ended;
}
