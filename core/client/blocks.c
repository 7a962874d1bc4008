/*
 * The memory of requests: one block for each incoming, kept for the next.
 */
#include "base/mem.h"
#include "client/admission.h"

static void on_body(struct parse *parse, struct slice piece)
{
    struct incoming *in = list_entry(parse, struct incoming, parse);

    in->body_bytes += piece.length;
    in->awaits_continue = false;
    if (!in->is_done)
        in->events->on_body(in, piece);
}

void incoming_begin(struct incoming *in, struct client *c, const struct incoming_ways *ways,
                    void *block, void *behind)
{
    memset(in, 0, offsetof(struct incoming, parse));
    in->ways = ways;
    in->client = c;
    arena_init(&in->arena, behind, INCOMING_BLOCK_BYTES - (size_t)((char *)behind - (char *)block));
    parse_init_request(&in->parse, &c->clients->limits, &in->arena, on_body);
}

void incoming_new(struct client *c)
{
    struct incoming *in = blocks_take(c->clients);

    incoming_begin(in, c, &incoming_h1, in, in + 1);
    in->closes = c->clients->is_draining && !client_moves(c);
    c->incoming = in;
    c->is_paused = false;
    c->checks = 0;
}

void incoming_let_go(struct incoming *in)
{
    struct incoming_reader *reader = in->reader;

    if (in->counted_as != 0)
        admission_forget_request(in);
    in->reader = NULL;
    if (reader != NULL)
        reader->on_empty(reader);
}

void incoming_free(struct client *c)
{
    struct incoming *in = c->incoming;

    c->incoming = NULL;
    incoming_empty(in);
    blocks_give(c->clients, in);
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
