/*
 * Out of a connection:
 *
 *   heads          at once: no window holds them back
 *   bodies         at once, while both windows and the socket allow; else copied to the stream's
 *                  waiting bytes, from which each stream has a frame in turn (h2_write_waiting)
 *   ends           behind the waiting bytes, if there are some
 */
#include "wire/h2_inside.h"

/* --- frames --- */

void h2_add_frame_with(struct h2 *h, struct h2_frame frame, struct slice copied,
                       struct slice borrowed)
{
    char bytes[STREAM_COPY_MAX];
    char *end = h2_frame_write(bytes, frame);

    CHECK(H2_FRAME_HEAD + copied.length <= sizeof bytes);
    if (!h2_is_alive(h))
        return;
    end = slice_put(end, copied);
    stream_add_copy(h->stream, (struct slice){bytes, (size_t)(end - bytes)});
    stream_add(h->stream, borrowed);
}

void h2_add_frame(struct h2 *h, struct h2_frame frame, const char *payload)
{
    h2_add_frame_with(h, frame, (struct slice){payload, frame.length}, (struct slice){"", 0});
}

void h2_add_reset(struct h2 *h, uint32_t id, enum h2_code code)
{
    char bytes[sizeof(uint32_t)];

    h2_write_32(bytes, code);
    if (stream_backlog(h->stream) > 0 && h->replies < UINT8_MAX)
        h->replies++;
    h2_add_frame(h, (struct h2_frame){.type = H2_RST_STREAM, .stream = id, .length = sizeof bytes},
                 bytes);
}

static void add_update(struct h2 *h, uint32_t id, uint32_t credit)
{
    char bytes[sizeof(uint32_t)];

    h2_write_32(bytes, credit);
    h2_add_frame(h,
                 (struct h2_frame){.type = H2_WINDOW_UPDATE, .stream = id, .length = sizeof bytes},
                 bytes);
}

/* --- credit for what the peer sends --- */

void h2_credit_connection(struct h2 *h, uint32_t bytes)
{
    h->credit += bytes;
    if (!h2_credit_is_due(h->credit, h->kind->connection_window))
        return;
    add_update(h, 0, h->credit);
    h->receive_window += (int32_t)h->credit;
    h->credit = 0;
}

void h2_credit_stream(struct h2_stream *s, uint32_t bytes)
{
    const struct h2_kind *kind = s->h2->kind;
    uint32_t window = s->updates < 2 ? kind->stream_window : kind->stream_window_top;

    s->credit += bytes;
    if (s->has_end || !h2_stream_is_open(s) || !h2_credit_is_due(s->credit, window))
        return;
    if (s->updates < 2 && ++s->updates == 2) /* it has used a whole window, and was kept up with */
        s->credit += kind->stream_window_top - kind->stream_window;
    add_update(s->h2, s->id, s->credit);
    s->receive_window += (int32_t)s->credit;
    s->credit = 0;
}

void h2_consumed(struct h2_stream *s, size_t bytes)
{
    uint32_t consumed;

    if (s->h2 == NULL)
        return;
    consumed = bytes < s->unconsumed ? (uint32_t)bytes : s->unconsumed;
    s->unconsumed -= consumed;
    if (s->h2->kind->role == H2_SERVER)
        h2_credit_connection(s->h2, consumed);
    h2_credit_stream(s, consumed);
}

/* --- heads --- */

static char scratch_bytes[16384];

/* The block, copied, in frames: one, but of a huge head. */
static void add_block(struct h2 *h, uint32_t id, struct slice block, uint8_t flags)
{
    struct h2_frame frame = {.type = H2_HEADERS, .stream = id, .flags = flags};
    char *out, *end;

    do {
        frame.length = block.length < H2_FRAME_LEAST ? (uint32_t)block.length : H2_FRAME_LEAST;
        if (frame.length == block.length)
            frame.flags |= H2_FLAG_END_HEADERS;
        out = arena_alloc(stream_room(h->stream->loop), H2_FRAME_HEAD + frame.length);
        end = slice_put(h2_frame_write(out, frame), (struct slice){block.start, frame.length});
        stream_add(h->stream, (struct slice){out, (size_t)(end - out)});
        block = slice_from(block, frame.length);
        frame.type = H2_CONTINUATION;
        frame.flags = 0;
    } while (block.length > 0);
}

static void add_lines(struct h2_stream *s, enum h2_head_kind kind, struct slice lines,
                      struct slice scheme, bool connects, bool is_end)
{
    struct h2 *h = s->h2;
    struct arena scratch;
    struct h2_lines head;
    char *block;
    size_t length;

    arena_init(&scratch, scratch_bytes, sizeof scratch_bytes);
    h2_fields_of_lines(&scratch, kind, lines, scheme, connects, &head);
    block = arena_alloc(&scratch, hpack_room(head.fields, head.count));
    length = hpack_write(&h->writer, head.fields, head.count, block);
    add_block(h, s->id, (struct slice){block, length}, is_end ? H2_FLAG_END_STREAM : 0);
    s->answers_head |= head.is_head;
    if (kind == H2_REQUEST || (kind == H2_RESPONSE && head.status >= 200)) {
        h->heads_bytes -= s->head_bytes;
        s->head_bytes = 0;
        s->is_answered = true;
    }
    arena_dispose(&scratch);
}

static bool may_send(const struct h2_stream *s)
{
    return s->h2 != NULL && h2_is_alive(s->h2) && !s->is_sent &&
           (s->state == H2_OPEN || s->state == H2_HALF_REMOTE);
}

static void send_head(struct h2_stream *s, struct slice lines, struct slice scheme, bool connects,
                      bool is_end)
{
    struct h2 *h = s->h2;
    bool is_request = h != NULL && h->kind->role == H2_CLIENT;

    if (is_request && s->state == H2_IDLE && h2_is_alive(h)) {
        h->last_own = h->last_own == 0 ? 1 : h->last_own + 2;
        h2_stream_number(s, h->last_own);
    }
    if (!may_send(s))
        return;
    add_lines(s, is_request ? H2_REQUEST : H2_RESPONSE, lines, scheme, connects, is_end);
    s->is_sent = is_end;
    if (!is_end)
        return;
    if (!is_request && stream_backlog(h->stream) > 0 && h->replies < UINT8_MAX)
        h->replies++; /* nothing else holds back a peer that asks on and does not read */
    h2_end_local(s);
}

void h2_send_head(struct h2_stream *s, struct slice lines, struct slice scheme, bool is_end)
{
    send_head(s, lines, scheme, false, is_end);
}

void h2_send_connect(struct h2_stream *s, struct slice lines, struct slice scheme)
{
    send_head(s, lines, scheme, true, false);
}

bool h2_may_open(const struct h2 *h, uint32_t first_streams)
{
    return h2_is_alive(h) && !h->is_draining && h->last_own < H2_STREAM_MOST - 2 &&
           h->open_streams < (h->has_settings ? h->peer_streams : first_streams);
}

void h2_open_stream(struct h2 *h, struct h2_stream *s)
{
    h2_stream_begin(h, s, 0);
}

/* --- bodies --- */

enum { LITTLE_BYTES = 512 }; /* of a body: they are borrowed until the event is over */

static bool may_write(const struct h2 *h)
{
    return stream_backlog(h->stream) == 0;
}

/* So many bytes in one frame. */
static void add_data(struct h2_stream *s, struct slice piece, bool is_end)
{
    struct h2 *h = s->h2;

    h2_add_frame_with(h,
                      (struct h2_frame){.type = H2_DATA,
                                        .stream = s->id,
                                        .flags = is_end ? H2_FLAG_END_STREAM : 0,
                                        .length = (uint32_t)piece.length},
                      (struct slice){"", 0}, piece);
    s->send_window -= (int32_t)piece.length;
    h->send_window -= (int32_t)piece.length;
    h->sent_bytes += piece.length;
    h->granted = h->granted < H2_GRANTED_MOST ? h->granted + H2_GRANTED_EACH : H2_GRANTED_MOST;
}

static uint32_t room_of(const struct h2_stream *s, size_t wanted)
{
    uint32_t room = h2_window_room(s->send_window, s->h2->send_window);

    if (room > H2_FRAME_LEAST)
        room = H2_FRAME_LEAST;
    return wanted < room ? (uint32_t)wanted : room;
}

static void wait_in_list(struct h2_stream *s)
{
    if (!list_has_node(&s->waits))
        list_append(&s->h2->waiting, &s->waits);
}

/* As much of it as windows and the socket take now, with the end behind all of it if that is
 * is_end. Gives the rest. */
static struct slice send_some(struct h2_stream *s, struct slice piece, bool is_end)
{
    bool is_little = piece.length <= LITTLE_BYTES;
    uint32_t length;

    while (may_write(s->h2) && (length = room_of(s, piece.length)) > 0) {
        add_data(s, (struct slice){piece.start, length}, is_end && length == piece.length);
        piece = slice_from(piece, length);
    }
    if (!is_little)
        stream_send_soon(s->h2->stream); /* the backlog is to be known */
    return piece;
}

static void send_body(struct h2_stream *s, struct slice piece, bool is_end)
{
    if (!may_send(s))
        return;
    if (buffer_length(&s->waiting) == 0)
        piece = send_some(s, piece, is_end);
    s->is_sent = is_end;
    if (piece.length > 0) {
        buffer_append(&s->waiting, piece);
        s->end_waits = is_end ? H2_END_BARE : H2_NO_END;
    } else if (is_end) {
        h2_end_local(s);
    }
    if (buffer_length(&s->waiting) == 0 && may_write(s->h2))
        return;
    s->is_stopped = true;
    wait_in_list(s);
}

void h2_send_body(struct h2_stream *s, struct slice piece)
{
    send_body(s, piece, false);
}

void h2_send_last_body(struct h2_stream *s, struct slice piece)
{
    CHECK(piece.length > 0);
    send_body(s, piece, true);
}

static void send_end_now(struct h2_stream *s, struct slice trailers)
{
    if (trailers.length > 0)
        add_lines(s, H2_TRAILERS, trailers, (struct slice){"", 0}, false, true);
    else
        add_data(s, (struct slice){"", 0}, true);
    h2_end_local(s);
}

void h2_send_end(struct h2_stream *s, struct slice trailers)
{
    if (!may_send(s))
        return;
    s->is_sent = true;
    if (buffer_length(&s->waiting) == 0) {
        send_end_now(s, trailers);
        return;
    }
    s->end_waits = trailers.length > 0 ? H2_END_TRAILERS : H2_END_BARE;
    s->trailers_bytes = (uint32_t)trailers.length;
    buffer_append(&s->waiting, trailers);
    wait_in_list(s);
}

/* A socket that is full of other streams' bytes is no backlog of this one. */
size_t h2_backlog(const struct h2_stream *s)
{
    if (s->h2 == NULL || !s->is_stopped)
        return 0;
    return buffer_length(&s->waiting) + stream_backlog(s->h2->stream);
}

/* --- what waits --- */

/* One frame of the stream's, and its end if that is all. False: nothing may go. The bytes stay in
 * the buffer's memory while they are borrowed. */
static bool write_some(struct h2_stream *s)
{
    size_t body_bytes = buffer_length(&s->waiting) - s->trailers_bytes;
    uint32_t length = room_of(s, body_bytes);
    bool is_last = length == body_bytes && s->end_waits != H2_NO_END;
    bool ends_here = is_last && s->end_waits == H2_END_BARE;

    if (length == 0 && !is_last)
        return false;
    if (length > 0 || ends_here)
        add_data(s, (struct slice){buffer_slice(&s->waiting).start, length}, ends_here);
    buffer_consume(&s->waiting, length);
    if (ends_here)
        h2_end_local(s);
    else if (is_last)
        send_end_now(s, buffer_slice(&s->waiting));
    if (!is_last)
        return true;
    buffer_consume(&s->waiting, s->trailers_bytes);
    s->trailers_bytes = 0;
    s->end_waits = H2_NO_END;
    return true;
}

/* Each stream once, beginning with the one that waits longest. */
static bool write_round(struct h2 *h)
{
    const struct list_node *last = h->waiting.previous;
    struct list_node *node;
    bool moves = false;

    do {
        node = h->waiting.next;
        list_remove(node);
        list_append(&h->waiting, node);
        moves |= write_some(list_entry(node, struct h2_stream, waits));
    } while (node != last && may_write(h));
    return moves;
}

static struct h2_stream *find_drained(struct h2 *h)
{
    for (struct list_node *n = h->waiting.next; n != &h->waiting; n = n->next) {
        struct h2_stream *s = list_entry(n, struct h2_stream, waits);

        if (buffer_length(&s->waiting) == 0 && s->end_waits == H2_NO_END)
            return s;
    }
    return NULL;
}

static void tell_drained(struct h2_stream *s)
{
    bool was_stopped = s->is_stopped;

    list_remove(&s->waits);
    buffer_dispose(&s->waiting);
    s->is_stopped = false;
    if (s->is_detached)
        h2_stream_free(s);
    else if (was_stopped)
        s->h2->kind->events->on_drained(s);
}

void h2_write_waiting(struct h2 *h)
{
    struct h2_stream *s;
    bool moves = true;

    h->must_write = false;
    while (moves && !list_is_empty(&h->waiting) && may_write(h)) {
        moves = write_round(h);
        stream_flush(h->stream); /* nothing is borrowed any more */
    }
    while (may_write(h) && (s = find_drained(h)) != NULL)
        tell_drained(s);
}
