#include "proxy/relay.h"

#include "http/write.h"

void relay_piece(struct stream *s, enum framing framing, struct slice piece)
{
    char line[STREAM_COPY_MAX];

    if (piece.length == 0)
        return; /* as a chunk it would be the last one */
    if (framing == FRAMING_CHUNKED)
        stream_add_copy(s, (struct slice){line, write_chunk_size(line, piece.length)});
    stream_add(s, piece);
    if (framing == FRAMING_CHUNKED)
        stream_add(s, SLICE("\r\n"));
    else
        stream_send_soon(s); /* more than a little is tried at once: backlog is known */
}

void relay_end(struct stream *s, enum framing framing, struct slice trailers)
{
    if (framing != FRAMING_CHUNKED)
        return;
    stream_add(s, SLICE("0\r\n"));
    stream_add(s, trailers);
    stream_add(s, SLICE("\r\n"));
}
