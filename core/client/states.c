/*
 * The states of a connection:
 *
 *    IDLE --first byte--> HEAD --head complete--> BUSY --answered, request read--> IDLE
 *      |                    |                      |--upgraded--> TUNNEL
 *      |                    |                      |                |
 *      '--------------------+-------- closes ------+----------------+--> LINGERING --> CLOSING
 *
 * BUSY ends when the exchange is done and the request has been read to its end. In
 * LINGERING the answer is out, our side is shut, and what still comes is thrown
 * away, so that no reset destroys the answer on its way (RFC 9112, 9.6). In TUNNEL
 * the bytes are somebody else's (proxy/tunnel.c). Before the first IDLE are INTRODUCTION, where
 * the listener wants a PROXY header (client/introduction.h), and then HANDSHAKE, where it speaks
 * TLS (client/handshake.h), or PREFACE, where it may speak HTTP/2. Both end in IDLE, or in H2, with
 * many requests at once (client/h2.h), and behind that are LINGERING and CLOSING.
 */
#include "base/mem.h"
#include "client/admission.h"
#include "client/h2.h"

#define OF(state) (1u << CLIENT_##state)

static const struct state_row client_states[] = {
    [CLIENT_IDLE] = {"idle", OF(INTRODUCTION) | OF(HANDSHAKE) | OF(PREFACE) | OF(H2) | OF(HEAD) |
                                 OF(CLOSING)},
    [CLIENT_INTRODUCTION] = {"introduction", OF(IDLE) | OF(CLOSING)},
    [CLIENT_HANDSHAKE] = {"handshake", OF(IDLE) | OF(CLOSING)},
    [CLIENT_HEAD] = {"head", OF(BUSY) | OF(CLOSING)},
    [CLIENT_BUSY] = {"busy", OF(IDLE) | OF(TUNNEL) | OF(LINGERING) | OF(CLOSING)},
    [CLIENT_TUNNEL] = {"tunnel", OF(LINGERING) | OF(CLOSING)},
    [CLIENT_PREFACE] = {"preface", OF(IDLE) | OF(H2) | OF(CLOSING)},
    [CLIENT_H2] = {"h2", OF(LINGERING) | OF(CLOSING)},
    [CLIENT_LINGERING] = {"lingering", OF(CLOSING)},
    [CLIENT_CLOSING] = {"closing", 0},
};

void client_enter(struct client *c, enum client_state state)
{
    CHECK_STATE(client_states, c, c->state, state);
    c->state = (uint8_t)state;
}

/* --- its place --- */

static void clients_count_open(struct clients *clients, int change)
{
    clients->open += (unsigned)change;
    atomic_store_explicit(&clients->segment->workers[clients->worker].clients, clients->open,
                          memory_order_relaxed);
}

void client_take_place(struct client *c)
{
    resting_note(c, CLIENTS_SILENT);
    c->clients->count++;
    clients_count_open(c->clients, 1);
}

void client_on_closed(struct stream *s)
{
    struct client *c = list_entry(s, struct client, stream);

    CHECK(c->state == CLIENT_CLOSING);
    deadline_clear(&c->deadline);
    deferred_cancel(&c->resume);
    if (c->incoming != NULL)
        incoming_free(c);
    if (c->h2 != NULL)
        h2_client_free(c);
    early_drop(c);
    list_remove(&c->node);
    c->clients->refused -= c->is_refused ? 1 : 0;
    c->clients->count--;
    mem_free(c);
}

/* --- the end --- */

static void client_note_gone(struct client *c)
{
    struct incoming *in = c->incoming;

    if (c->h2 != NULL)
        h2_client_lose(c);
    else if (in != NULL && !in->is_done && in->events != NULL)
        in->events->on_gone(in);
}

static void client_leave(struct client *c, void (*leave)(struct stream *))
{
    if (c->state == CLIENT_CLOSING)
        return;
    client_enter(c, CLIENT_CLOSING);
    deadline_clear(&c->deadline);
    client_note_gone(c);
    bonds_end(&c->bonds);
    admission_leave(c); /* first: a client that sees the end may come again at once */
    leave(&c->stream);
    clients_count_open(c->clients, -1);
    c->clients->events->on_left(c->clients);
}

void client_close(struct client *c)
{
    struct incoming *in = c->incoming;
    bool is_unfinished =
        in != NULL && in->needs_reset && (!in->is_done || stream_backlog(&c->stream) > 0);

    if (c->state == CLIENT_H2)
        h2_client_say_end(c);
    client_leave(c, is_unfinished ? stream_reset : stream_close);
}

void client_reset(struct client *c)
{
    client_leave(c, stream_reset);
}

void client_fail_head(struct client *c, enum incoming_fault fault, const char *text)
{
    struct incoming *in = c->incoming;

    client_enter(c, CLIENT_BUSY);
    deadline_rest(&c->deadline);
    in->closes = true;
    c->clients->events->on_bad_request(c->clients, in, fault, text);
}

enum incoming_fault client_fault_of(enum parse_error error)
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
