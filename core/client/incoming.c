#include "client/incoming.h"

#include "base/mem.h"
#include "client/client.h"
#include "client/watch.h"

enum {
    INCOMING_BLOCK_BYTES = 8192,
    SPARE_MAX = 128,
    THROW_AWAY_MAX = 65536, /* of a body that nobody wants, to keep the connection */
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
    in->client = c;
    in->closes = clients->is_draining;
    arena_init(&in->arena, in + 1, INCOMING_BLOCK_BYTES - sizeof *in);
    parse_init_request(&in->parse, &clients->limits, &in->arena, on_body);
    c->incoming = in;
    c->is_paused = false;
    c->checks = 0;
}

enum incoming_fault incoming_fault_of(enum parse_error error)
{
    switch (error) {
    case PARSE_BAD_VERSION:
        return INCOMING_BAD_VERSION;
    case PARSE_LONG_LINE:
        return INCOMING_LONG_LINE;
    case PARSE_LARGE_HEAD:
    case PARSE_MANY_FIELDS:
        return INCOMING_LARGE_HEAD;
    default:
        return INCOMING_BAD;
    }
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

void incoming_free_spare(struct clients *clients, unsigned kept)
{
    while (clients->spare_count > kept) {
        struct list_node *block = clients->spare.next;

        list_remove(block);
        clients->spare_count--;
        mem_free(block);
    }
}

/* --- heads --- */

/* What each head of ours begins with, to clients of 1.0, too (RFC 9110, 2.5). */
static const struct slice head_beginning = {"HTTP/1.1 ", 9};

void incoming_add_head(struct incoming *in, struct slice head)
{
    size_t begun = in->head_begun;

    CHECK(head.length > head_beginning.length &&
          memcmp(head.start, head_beginning.start, head_beginning.length) == 0);
    in->head_begun = 0;
    stream_add(incoming_stream(in), (struct slice){head.start + begun, head.length - begun});
}

void incoming_begin_head(struct incoming *in)
{
    if (in->head_begun == head_beginning.length)
        return;
    stream_add(incoming_stream(in), (struct slice){head_beginning.start + in->head_begun, 1});
    in->head_begun++;
}

/* --- for the exchange --- */

struct stream *incoming_stream(struct incoming *in)
{
    return &in->client->stream;
}

void incoming_pause(struct incoming *in)
{
    struct client *c = in->client;

    if (c->is_paused || (in->body_complete && c->state != CLIENT_TUNNEL))
        return; /* then reading goes on: it sees the client leave */
    c->is_paused = true;
    rate_rest(&in->sent, loop_now_ms(c->clients->loop), in->body_bytes);
    stream_pause(&c->stream);
    client_watch(c);
}

void incoming_resume(struct incoming *in)
{
    struct client *c = in->client;

    if (!c->is_paused)
        return;
    c->is_paused = false;
    stream_read(&c->stream);
    client_watch(c);
}

void incoming_begin_answer(struct incoming *in, bool wants_body)
{
    uint64_t missing = in->request.length - in->body_bytes;

    in->has_answered = true;
    if (in->body_complete)
        return;
    if (wants_body || in->request.framing != FRAMING_COUNTED || missing > THROW_AWAY_MAX ||
        head_has(&in->parse.head, FIELD_EXPECT))
        in->closes = true;
}

void incoming_continue(struct incoming *in)
{
    in->awaits_continue = false;
    in->has_continue = true;
    client_continue(in->client);
    client_watch(in->client);
}

void incoming_watch(struct incoming *in)
{
    watch_sent(in->client);
}

static void incoming_end(struct incoming *in, void (*send)(struct stream *))
{
    struct client *c = in->client;

    CHECK(!in->is_done);
    in->is_done = true;
    send(&c->stream);
    if (c->state != CLIENT_CLOSING)
        client_resume_later(c);
}

void incoming_done(struct incoming *in)
{
    bool is_last = in->closes && in->client->state != CLIENT_CLOSING;

    incoming_end(in, is_last ? stream_finish : stream_send_soon);
}

void incoming_cut(struct incoming *in)
{
    struct client *c = in->client;

    in->closes = true;
    incoming_end(in, stream_flush);
    if (in->needs_reset)
        client_reset(c);
}

void incoming_switch(struct incoming *in)
{
    in->has_answered = in->closes = in->needs_reset = true;
    in->answers_in_chunks = false;
    client_switch(in->client);
}

void incoming_pass(struct incoming *in, struct slice bytes)
{
    if (in->is_done)
        return;
    in->body_bytes += bytes.length;
    in->events->on_body(in, bytes);
}

const char *incoming_why_gone(const struct incoming *in)
{
    if (in->is_cut)
        return "cut at the end of the drain";
    return in->why_gone != NULL ? in->why_gone : "the client went away";
}

const struct sockaddr_in6 *incoming_peer(const struct incoming *in)
{
    return &in->client->peer;
}

bool incoming_may_vouch(const struct incoming *in)
{
    return !in->client->is_nameless;
}

struct slice incoming_listener(const struct incoming *in)
{
    return in->client->listener->name;
}

struct bond **incoming_bonds(struct incoming *in)
{
    return &in->client->bonds;
}
