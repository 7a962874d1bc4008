#include "client/relief.h"

#include "base/mem.h"
#include "client/h2.h"

static void holders_note(struct holders *holders, struct client *c, struct incoming *in,
                         size_t bytes)
{
    struct holder *list = holders->list;
    unsigned at = holders->count;

    if (at == HOLDERS_MAX && list[--at].bytes >= bytes)
        return;
    for (; at > 0 && list[at - 1].bytes < bytes; at--)
        list[at] = list[at - 1];
    list[at] = (struct holder){c, in, bytes};
    if (holders->count < HOLDERS_MAX)
        holders->count++;
}

/* Besides the struct: of its request, and of what waits for it. */
static size_t client_held_bytes(struct client *c)
{
    struct incoming *in = c->incoming;
    size_t bytes = stream_backlog(&c->stream);

    if (c->early != NULL)
        bytes += mem_size(c->early->bytes);
    if (in == NULL)
        return bytes;
    bytes += mem_size(in) + arena_bytes(&in->arena) + mem_size(in->parse.partial.bytes);
    if (!in->is_done && in->events != NULL)
        bytes += in->events->on_memory_full(in);
    return bytes;
}

/* Each request by itself; the connection's own memory is as large as its settings say. */
static void holders_weigh_streams(struct holders *holders, struct client *c)
{
    struct list_node *head = &c->h2->streams;

    for (struct list_node *node = head->next; node != head; node = node->next) {
        struct client_stream *s = list_entry(node, struct client_stream, node);

        holders_note(holders, c, &s->in, client_stream_held_bytes(s));
    }
}

static void holders_weigh(struct holders *holders, struct client *c)
{
    size_t bytes, own = mem_size(c) + tls_held_bytes(c->stream.tls);

    if (c->state == CLIENT_CLOSING)
        return;
    if (c->h2 != NULL) {
        own += mem_size(c->h2);
        holders_weigh_streams(holders, c);
    }
    bytes = client_held_bytes(c);
    if (c->h2 != NULL) /* a head that is not complete is of no stream */
        bytes += h2_held_bytes(&c->h2->wire);
    if (bytes > 0)
        holders_note(holders, c, NULL, bytes);
    else if (client_is_resting(c))
        holders->idle_bytes += own;
}

void holders_find(struct holders *holders, struct clients *clients)
{
    holders->count = 0;
    holders->idle_bytes = 0;
    blocks_free(clients, 0);
    clients->spare_least = 0;
    for (unsigned i = 0; i < CLIENTS_LISTS; i++) {
        struct list_node *head = &clients->lists[i];

        for (struct list_node *node = head->next; node != head; node = node->next)
            holders_weigh(holders, list_entry(node, struct client, node));
    }
}

/* What it asks for ends, with a 503 if there is still a place for that. */
static void client_end_request(struct client *c, struct incoming *of_h2)
{
    struct incoming *in = c->incoming;

    if (of_h2 != NULL)
        client_stream_end_request(client_stream_of(of_h2));
    else if (c->state == CLIENT_H2)
        h2_client_fail_memory(c);
    else if (c->state == CLIENT_HEAD)
        client_fail_head(c, INCOMING_NO_MEMORY, "limits.memory");
    else if (in != NULL && !in->is_done)
        incoming_fail_body(in, INCOMING_NO_MEMORY, "limits.memory");
    else
        client_reset(c); /* what waits for it, it does not take */
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
        client_end_request(c, holders->list[i].incoming);
        ended++;
    }
    return ended;
}
