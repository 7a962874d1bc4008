/*
 * Not written yet: the calls do nothing.
 */
#include "wire/h2.h"

void h2_begin(struct h2 *h, struct stream *s, const struct h2_kind *kind, void *owner,
              uint32_t head_max)
{
    *h = (struct h2){.stream = s, .kind = kind, .owner = owner, .head_max = head_max};
    list_init(&h->waiting);
}

void h2_dispose(struct h2 *h)
{
    buffer_dispose(&h->partial);
}

void h2_feed(struct h2 *h, struct slice bytes)
{
    (void)h;
    (void)bytes;
}

void h2_drained(struct h2 *h)
{
    (void)h;
}

void h2_lose(struct h2 *h, const char *why)
{
    (void)h;
    (void)why;
}

bool h2_is_in_head(const struct h2 *h)
{
    return h->head_stream != 0;
}

bool h2_is_at_start(const struct h2 *h)
{
    return !h->has_settings;
}

void h2_goaway(struct h2 *h, enum h2_code code, const char *why)
{
    (void)h;
    (void)code;
    (void)why;
}

void h2_drain(struct h2 *h)
{
    h->is_draining = true;
}

void h2_ping(struct h2 *h)
{
    h->pings = true;
}

bool h2_may_open(const struct h2 *h, uint32_t first_streams)
{
    return h->open_streams < first_streams;
}

size_t h2_held_bytes(const struct h2 *h)
{
    return buffer_length(&h->partial);
}

void h2_open_stream(struct h2 *h, struct h2_stream *s)
{
    s->h2 = h;
}

void h2_send_head(struct h2_stream *s, struct slice lines, struct slice scheme, bool is_end)
{
    (void)lines;
    (void)scheme;
    s->is_sent = is_end;
}

void h2_send_connect(struct h2_stream *s, struct slice lines, struct slice scheme)
{
    h2_send_head(s, lines, scheme, false);
}

void h2_send_body(struct h2_stream *s, struct slice piece)
{
    (void)s;
    (void)piece;
}

void h2_send_end(struct h2_stream *s, struct slice trailers)
{
    (void)trailers;
    s->is_sent = true;
}

size_t h2_backlog(const struct h2_stream *s)
{
    return buffer_length(&s->waiting);
}

void h2_consumed(struct h2_stream *s, size_t bytes)
{
    s->credit += (uint32_t)bytes;
}

void h2_reset(struct h2_stream *s, enum h2_code code)
{
    (void)s;
    (void)code;
}

void h2_stream_release(struct h2_stream *s)
{
    s->h2 = NULL;
}

size_t h2_stream_bytes(const struct h2_stream *s)
{
    return buffer_length(&s->waiting);
}
