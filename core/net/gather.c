/*
 * Two steps on the way out of what an event has to say:
 *
 *    stream_add --> gather, of one stream --event over--> held, of several streams --> the kernel
 *                      |                                    ^ what was ready is handled
 *                      '--- more than a little, or stream_flush --------------------> the kernel
 *
 * The first one makes one write of many parts. The second one is for the peers: a write wakes its
 * reader, which is dear, and spared where the reader is still awake from the write before; other
 * streams mostly lead to the same few processes, or at least to the same machine's.
 */
#include "net/gather.h"

static bool stream_hold(struct stream *s, const uv_buf_t *parts, unsigned count)
{
    struct held *held = &s->loop->held;
    size_t length = 0;
    char *copy;

    for (unsigned i = 0; i < count; i++)
        length += parts[i].len;
    if (length > HELD_BYTES_EACH || s->is_held || s->is_closing || s->failure != 0 ||
        s->queued_bytes > 0)
        return false;
    if (held->count == HELD_STREAMS)
        stream_write_held(s->loop);
    copy = held->bytes[held->count];
    for (unsigned i = 0; i < count; i++) {
        memcpy(copy, parts[i].base, parts[i].len);
        copy += parts[i].len;
    }
    held->lengths[held->count] = length;
    held->streams[held->count++] = s;
    s->is_held = true;
    return true;
}

static void held_write(struct held *held, unsigned i)
{
    const uv_buf_t whole = uv_buf_init(held->bytes[i], (unsigned)held->lengths[i]);
    struct stream *s = held->streams[i];

    held->streams[i] = NULL;
    if (s == NULL)
        return; /* it was taken out */
    s->is_held = false;
    if (s->events->may_leave == NULL || s->events->may_leave(s))
        stream_write_now(s, &whole, 1);
}

void stream_write_held(struct loop *loop)
{
    struct held *held = &loop->held;

    for (unsigned i = 0; i < held->count; i++)
        held_write(held, i);
    held->count = 0;
}

void stream_take_out(struct stream *s)
{
    struct held *held = &s->loop->held;

    for (unsigned i = 0; s->is_held; i++)
        if (held->streams[i] == s)
            held_write(held, i);
}

static void stream_send_gathered(struct loop *loop, bool may_hold)
{
    struct gather *g = &loop->gather;
    struct stream *s = g->stream;
    unsigned count = g->count;

    g->stream = NULL;
    g->count = 0;
    g->scratch_used = 0;
    if (s == NULL || count == 0 || (may_hold && stream_hold(s, g->parts, count)))
        return;
    stream_take_out(s);
    stream_write_now(s, g->parts, count);
}

void stream_flush_gathered(struct loop *loop)
{
    loop_note_event(loop);
    stream_send_gathered(loop, true);
}

/* The one gather of the loop serves this stream from now on. */
static struct gather *stream_gather(struct stream *s)
{
    struct gather *g = &s->loop->gather;

    if (g->stream != s || g->count == GATHER_PARTS ||
        g->scratch_used + STREAM_COPY_MAX > GATHER_SCRATCH)
        stream_flush_gathered(s->loop);
    g->stream = s;
    return g;
}

void stream_add(struct stream *s, struct slice bytes)
{
    struct gather *g = stream_gather(s);

    if (bytes.length > 0)
        g->parts[g->count++] = uv_buf_init((char *)bytes.start, (unsigned)bytes.length);
}

/* While nothing is gathered nothing is borrowed of what was made there before. */
struct arena *stream_room(struct loop *loop)
{
    struct gather *g = &loop->gather;

    if (g->count == 0) {
        arena_dispose(&g->room);
        arena_init(&g->room, g->room_first, sizeof g->room_first);
    }
    return &g->room;
}

void stream_add_copy(struct stream *s, struct slice bytes)
{
    struct gather *g = stream_gather(s);
    char *copy = g->scratch + g->scratch_used;

    CHECK(bytes.length <= STREAM_COPY_MAX);
    memcpy(copy, bytes.start, bytes.length);
    g->scratch_used += bytes.length;
    g->parts[g->count++] = uv_buf_init(copy, (unsigned)bytes.length);
}

void stream_flush(struct stream *s)
{
    if (s->loop->gather.stream == s)
        stream_send_gathered(s->loop, false);
    stream_take_out(s);
}

void stream_send_soon(struct stream *s)
{
    if (s->loop->gather.stream == s)
        stream_send_gathered(s->loop, true);
}

void stream_forget_gathered(struct stream *s)
{
    struct gather *g = &s->loop->gather;

    if (g->stream == s) {
        g->stream = NULL;
        g->count = 0;
        g->scratch_used = 0;
    }
}
