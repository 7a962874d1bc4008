/*
 * A stream, from its first frame until its memory goes:
 *
 *   there --head, body: h2_request.c--> its exchange --answer: h2_answer.c--> done --> freed
 *                                                                     once all has left, or a reset
 */
#include "base/mem.h"
#include "client/h2.h"

/* --- it begins and ends --- */

static void on_resume(struct deferred *);

struct client_stream *client_stream_new(struct client *c)
{
    struct client_h2 *h = c->h2;
    struct client_stream *s = blocks_take(c->clients);

    memset(s, 0, sizeof *s);
    incoming_begin(&s->in, c, &client_stream_ways, s, s + 1);
    deadline_init(&s->deadline, client_stream_on_deadline);
    deferred_init(&s->resume, on_resume);
    list_init(&s->node);
    list_append(&h->streams, &s->node);
    if (h->count++ == 0)
        h2_client_note_stream(c);
    return s;
}

void client_stream_free(struct client_stream *s)
{
    struct client *c = s->in.client;

    h2_stream_release(&s->stream);
    deadline_clear(&s->deadline);
    deferred_cancel(&s->resume);
    buffer_dispose(&s->early);
    list_remove(&s->node);
    incoming_empty(&s->in);
    blocks_give(c->clients, s);
    if (--c->h2->count == 0)
        h2_client_note_stream(c);
}

void client_stream_resume_later(struct client_stream *s)
{
    loop_defer(client_stream_loop(s), &s->resume);
}

/* It ends on our side: nobody hears of it any more. */
void client_stream_close(struct client_stream *s, enum h2_code code)
{
    if (!s->is_closed)
        h2_reset(&s->stream, code);
    s->is_closed = true;
}

void client_stream_note_gone(struct client_stream *s)
{
    struct incoming *in = &s->in;

    if (!in->is_done && in->events != NULL)
        in->events->on_gone(in);
    else
        client_stream_resume_later(s);
}

void client_stream_take_reset(struct h2_stream *stream, const struct h2_reset *reset)
{
    struct client_stream *s = client_stream_of_wire(stream);

    s->is_closed = true;
    if (reset->cause != H2_BY_PEER)
        s->in.why_gone = reset->why;
    client_stream_note_gone(s);
    if (s->in.is_done)
        h2_stream_release(stream); /* the client may begin another in its place */
}

static void on_resume(struct deferred *d)
{
    struct client_stream *s = list_entry(d, struct client_stream, resume);

    if (!s->in.is_done)
        client_stream_pass_early(s);
    else if (s->is_closed || h2_backlog(&s->stream) == 0)
        client_stream_free(s);
    else
        client_stream_watch(s); /* on_drained comes back here */
}

/* --- for client/relief.h --- */

size_t client_stream_held_bytes(struct client_stream *s)
{
    struct incoming *in = &s->in;
    size_t bytes = mem_size(s) + arena_bytes(&in->arena) + mem_size(s->early.bytes) +
                   h2_stream_bytes(&s->stream);

    if (!in->is_done && in->events != NULL)
        bytes += in->events->on_memory_full(in);
    return bytes;
}

void client_stream_end_request(struct client_stream *s)
{
    if (s->in.is_done) {
        client_stream_close(s, H2_CANCEL);
        client_stream_resume_later(s);
    } else {
        client_stream_fail_body(s, INCOMING_NO_MEMORY, "limits.memory");
    }
}
