#include "wire/h1.h"

#include "http/write.h"

void h1_send_body(struct stream *s, bool in_chunks, struct slice piece)
{
    char line[STREAM_COPY_MAX];

    if (piece.length == 0)
        return; /* as a chunk it would be the last one */
    if (in_chunks)
        stream_add_copy(s, (struct slice){line, write_chunk_size(line, piece.length)});
    stream_add(s, piece);
    if (in_chunks)
        stream_add(s, SLICE("\r\n"));
    else
        stream_send_soon(s); /* more than a little is tried at once: backlog is known */
}

void h1_send_last_chunk(struct stream *s, struct slice trailers)
{
    stream_add(s, SLICE("0\r\n"));
    stream_add(s, trailers);
    stream_add(s, SLICE("\r\n"));
}
