/*
 * The request on its way: the head, pieces of the body, and the end, as HTTP/1 spells them.
 */
#include "base/mem.h"
#include "upstream/connection.h"
#include "wire/h1.h"

void outgoing_send_head(struct outgoing *o, struct forward_request *request, struct body_size size)
{
    struct connection *c = connection_of(o);

    request->framing = framing_for(size, VERSION_1_1);
    request->length = size.length;
    c->sends_in_chunks = request->framing == FRAMING_CHUNKED;
    stream_add(&c->stream, forward_request_head(stream_room(c->stream.loop), request));
}

void outgoing_send_body(struct outgoing *o, struct slice piece)
{
    struct connection *c = connection_of(o);

    h1_send_body(&c->stream, c->sends_in_chunks, piece);
}

void outgoing_send_end(struct outgoing *o, struct slice trailers)
{
    struct connection *c = connection_of(o);

    if (c->sends_in_chunks)
        h1_send_last_chunk(&c->stream, trailers);
    else if (o->state == OUTGOING_TUNNEL)
        stream_shutdown(&c->stream);
    o->has_request = true;
}

void outgoing_flush(struct outgoing *o)
{
    stream_flush(&connection_of(o)->stream);
}

size_t outgoing_backlog(const struct outgoing *o)
{
    return stream_backlog(&connection_of(o)->stream);
}

uint32_t outgoing_unsent(const struct outgoing *o)
{
    return stream_unsent(&connection_of(o)->stream);
}

size_t outgoing_held_bytes(const struct outgoing *o)
{
    return outgoing_backlog(o) + mem_size(connection_of(o)->response.parse.partial.bytes);
}
