/*
 * The request on its way: the head, pieces of the body, and the end, as HTTP/1 spells them.
 */
#include "upstream/h1.h"
#include "wire/h1.h"

void h1_send_request_head(struct outgoing *o, struct forward_request *request,
                          struct body_size size)
{
    struct h1_connection *c = h1_of(o);

    request->framing = framing_for(size, VERSION_1_1);
    request->length = size.length;
    c->sends_in_chunks = request->framing == FRAMING_CHUNKED;
    stream_add(&c->stream, forward_request_head(stream_room(c->stream.loop), request));
}

void h1_send_request_body(struct outgoing *o, struct slice piece)
{
    struct h1_connection *c = h1_of(o);

    h1_send_body(&c->stream, c->sends_in_chunks, piece);
}

void h1_send_request_end(struct outgoing *o, struct slice trailers)
{
    struct h1_connection *c = h1_of(o);

    if (c->sends_in_chunks)
        h1_send_last_chunk(&c->stream, trailers);
    else if (o->state == OUTGOING_TUNNEL)
        stream_shutdown(&c->stream);
    o->has_request = true;
}

void h1_flush(struct outgoing *o)
{
    stream_flush(&h1_of(o)->stream);
}

size_t h1_backlog(const struct outgoing *o)
{
    return stream_backlog(&h1_of(o)->stream);
}

uint32_t h1_unsent(const struct outgoing *o)
{
    return stream_unsent(&h1_of(o)->stream);
}
