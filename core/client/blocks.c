/*
 * The memory of requests: one block for each incoming, kept for the next.
 */
#include "base/mem.h"
#include "client/client_inside.h"

enum {
    INCOMING_BLOCK_BYTES = 8192,
    SPARE_MAX = 128,
};

static void on_body(struct parse *parse, struct slice piece)
{
    struct incoming *in = list_entry(parse, struct incoming, parse);

    in->body_bytes += piece.length;
    in->awaits_continue = false;
    if (!in->is_done)
        in->events->on_body(in, piece);
}

void incoming_new(struct client *c)
{
    struct clients *clients = c->clients;
    struct incoming *in;

    if (list_is_empty(&clients->spare)) {
        in = mem_alloc(INCOMING_BLOCK_BYTES);
    } else {
        struct list_node *block = clients->spare.next;

        list_remove(block);
        clients->spare_count--;
        if (clients->spare_count < clients->spare_least)
            clients->spare_least = clients->spare_count;
        in = (struct incoming *)(void *)block;
    }
    memset(in, 0, sizeof *in);
    in->ways = &incoming_h1;
    in->client = c;
    in->closes = clients->is_draining;
    arena_init(&in->arena, in + 1, INCOMING_BLOCK_BYTES - sizeof *in);
    parse_init_request(&in->parse, &clients->limits, &in->arena, on_body);
    c->incoming = in;
    c->is_paused = false;
    c->checks = 0;
}

void incoming_empty(struct incoming *in)
{
    struct incoming_reader *reader = in->reader;

    in->reader = NULL;
    if (reader != NULL)
        reader->on_empty(reader);
    parse_dispose(&in->parse);
    arena_dispose(&in->arena);
}

void incoming_free(struct client *c)
{
    struct clients *clients = c->clients;
    struct incoming *in = c->incoming;

    c->incoming = NULL;
    incoming_empty(in);
    if (clients->spare_count >= SPARE_MAX) {
        mem_free(in);
        return;
    }
    clients->spare_count++;
    list_prepend(&clients->spare, (struct list_node *)(void *)in);
}

void blocks_free(struct clients *clients, unsigned kept)
{
    while (clients->spare_count > kept) {
        struct list_node *block = clients->spare.next;

        list_remove(block);
        clients->spare_count--;
        mem_free(block);
    }
}
