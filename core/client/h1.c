/*
 * client/incoming.h for a connection that speaks HTTP/1: its stream has one response at a time.
 *
 *   interim heads --> final head --> body --> incoming_done
 *                 '-> 101: bytes, both ways --> incoming_leave
 *
 * A body of unknown length goes out in chunks, or to a client of 1.0 until the end of the
 * connection. incoming_cut is the other end, at any time.
 */
#include "client/incoming.h"

#include "client/client_inside.h"
#include "wire/h1.h"

enum { THROW_AWAY_MAX = 65536 }; /* of a body that nobody wants, to keep the connection */

/* --- heads --- */

/* What each head of ours begins with, to clients of 1.0, too (RFC 9110, 2.5). */
static const struct slice head_beginning = {"HTTP/1.1 ", 9};

/* Of an answer, final or interim: it begins with "HTTP/1.1 ". Borrows as stream_add. */
static void add_head(struct incoming *in, struct slice head)
{
    size_t begun = in->head_begun;

    CHECK(head.length > head_beginning.length &&
          memcmp(head.start, head_beginning.start, head_beginning.length) == 0);
    in->head_begun = 0;
    stream_add(&in->client->stream, slice_from(head, begun));
}

/* The final answer begins. wants_body: of the request more is wanted than what is there. Sets
 * closes if what is missing cannot just be read and thrown away. */
static void begin_answer(struct incoming *in, bool wants_body)
{
    uint64_t missing = in->request.length - in->body_bytes;

    in->has_answered = true;
    if (in->body_complete)
        return;
    if (wants_body || in->request.framing != FRAMING_COUNTED || missing > THROW_AWAY_MAX ||
        head_has(&in->parse.head, FIELD_EXPECT))
        in->closes = true;
}

/* How the body is spelt, and what follows from that for the connection. */
static void incoming_frame(struct incoming *in, struct forward_response *response,
                           struct body_size size)
{
    response->framing = framing_for(size, response->client_version);
    response->length = size.length;
    begin_answer(in, true);
    in->answers_in_chunks = response->framing == FRAMING_CHUNKED;
    in->needs_reset = response->framing == FRAMING_UNTIL_CLOSE;
    in->closes |= in->needs_reset;
    response->closes = in->closes;
}

static void send_head(struct incoming *in, struct forward_response *response, struct body_size size)
{
    response->client_version = incoming_head(in)->version;
    if (response->head->status >= 200)
        incoming_frame(in, response, size);
    else if (response->client_version == VERSION_1_0) /* RFC 9110, 15.2 */
        return;
    add_head(in, forward_response_head(stream_room(in->client->clients->loop), response));
}

void incoming_begin_head(struct incoming *in)
{
    if (in->head_begun == head_beginning.length)
        return;
    stream_add(&in->client->stream, (struct slice){head_beginning.start + in->head_begun, 1});
    in->head_begun++;
}

/* --- for the exchange --- */

static void send_body(struct incoming *in, struct slice piece)
{
    h1_send_body(&in->client->stream, in->answers_in_chunks, piece);
}

static void send_end(struct incoming *in, struct slice trailers)
{
    if (in->answers_in_chunks)
        h1_send_last_chunk(&in->client->stream, trailers);
    else if (in->client->state == CLIENT_TUNNEL)
        stream_shutdown(&in->client->stream);
}

static size_t backlog(const struct incoming *in)
{
    return stream_backlog(&in->client->stream);
}

static uint32_t unsent(const struct incoming *in)
{
    return stream_unsent(&in->client->stream);
}

static struct stream *bare(struct incoming *in)
{
    return in->answers_in_chunks ? NULL : &in->client->stream;
}

static void pause_body(struct incoming *in)
{
    struct client *c = in->client;

    if (c->is_paused || (in->body_complete && c->state != CLIENT_TUNNEL))
        return; /* then it is read on, as that shows the client leave */
    c->is_paused = true;
    rate_rest(&in->sent, loop_now_ms(c->clients->loop), in->body_bytes);
    stream_pause(&c->stream);
    client_watch(c);
}

static void resume_body(struct incoming *in)
{
    struct client *c = in->client;

    if (!c->is_paused)
        return;
    c->is_paused = false;
    stream_read(&c->stream);
    client_watch(c);
}

static bool is_read(const struct incoming *in)
{
    return in->client->stream.is_reading;
}

static bool is_lost(const struct incoming *in)
{
    return !is_read(in) && stream_is_dead(&in->client->stream);
}

static void begin_reply(struct incoming *in)
{
    begin_answer(in, false);
}

static void send_reply(struct incoming *in, struct slice head, struct slice body)
{
    struct stream *s = &in->client->stream;

    add_head(in, head);
    if (body.length > 0)
        stream_add(s, body);
    stream_flush(s);
}

static void send_continue(struct incoming *in)
{
    in->awaits_continue = false;
    in->has_continue = true;
    add_head(in, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
    client_watch(in->client);
}

void incoming_fail_body(struct incoming *in, enum incoming_fault fault, const char *text)
{
    in->closes = true;
    in->events->on_body_failed(in, fault, text);
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

static void done(struct incoming *in)
{
    bool is_last = in->closes && in->client->state != CLIENT_CLOSING;

    incoming_end(in, is_last ? stream_finish : stream_send_soon);
}

static void cut(struct incoming *in)
{
    struct client *c = in->client;

    in->closes = true;
    incoming_end(in, stream_flush);
    if (in->needs_reset)
        client_reset(c);
}

static void switches(struct incoming *in)
{
    in->has_answered = in->closes = in->needs_reset = true;
    in->answers_in_chunks = false;
    client_switch(in->client);
}

const struct incoming_ways incoming_h1 = {
    .send_head = send_head,
    .send_body = send_body,
    .send_end = send_end,
    .begin_reply = begin_reply,
    .send_reply = send_reply,
    .backlog = backlog,
    .unsent = unsent,
    .bare = bare,
    .pause = pause_body,
    .resume = resume_body,
    .is_read = is_read,
    .is_lost = is_lost,
    .send_continue = send_continue,
    .watch = watch_answer,
    .done = done,
    .cut = cut,
    .switches = switches,
};

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

struct slice incoming_scheme(const struct incoming *in)
{
    return in->client->listener->is_secure ? SLICE("https") : SLICE("http");
}

const struct tls_said *incoming_tls(const struct incoming *in)
{
    const struct tls *tls = in->client->stream.tls;

    return tls != NULL ? &tls->said : NULL;
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
