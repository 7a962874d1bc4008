/*
 *   bytes --> [preface] --> frame head --> DATA: pieces, as they come --------------> on_body
 *                                     '--> others: once whole (h2_heads, h2_control)
 *
 * Usually a frame is whole in what was read, and nothing is copied; else it is gathered in partial.
 */
#include "wire/h2_inside.h"

static const char preface[H2_PREFACE_BYTES + 1] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

void h2_begin(struct h2 *h, struct stream *s, const struct h2_kind *kind, void *owner,
              uint32_t head_max)
{
    CHECK(kind->stream_window >= H2_WINDOW_FIRST && kind->connection_window >= H2_WINDOW_FIRST &&
          kind->stream_window_top >= kind->stream_window);
    *h = (struct h2){
        .stream = s,
        .kind = kind,
        .owner = owner,
        .head_max = head_max,
        .state = kind->role == H2_SERVER ? H2_AWAITS_PREFACE : H2_AWAITS_SETTINGS,
        .abuse = H2_ABUSE_MOST,
        .refilled_s = (uint32_t)(loop_now_ms(s->loop) / 1000),
        .granted = H2_GRANTED_MOST,
        .peer_streams = UINT32_MAX,
        .peer_window = H2_WINDOW_FIRST,
        .send_window = H2_WINDOW_FIRST,
        .receive_window = H2_WINDOW_FIRST,
        .reader = hpack_reader_new(),
    };
    list_init(&h->waiting);
    if (kind->role == H2_CLIENT)
        stream_add(s, (struct slice){preface, H2_PREFACE_BYTES});
    h2_add_settings(h);
}

void h2_dispose(struct h2 *h)
{
    if (h->reader == NULL)
        return;
    h->state = H2_LOST;
    h2_end_streams(h, 0, &(struct h2_reset){H2_BY_CONNECTION, H2_CANCEL, "the connection ends"});
    CHECK(h->open_streams == 0);
    hpack_reader_free(h->reader);
    buffer_dispose(&h->block);
    buffer_dispose(&h->partial);
    h->reader = NULL;
}

/* --- DATA --- */

static const char *check_data(const struct h2_stream *s, const struct h2_frame *frame,
                              uint32_t body_bytes)
{
    if (s->h2->kind->role == H2_CLIENT && !s->has_final)
        return "DATA before the head";
    if (!s->has_length)
        return NULL;
    if (body_bytes > s->length_left)
        return "more DATA than content-length says";
    if ((frame->flags & H2_FLAG_END_STREAM) != 0 && body_bytes < s->length_left)
        return "less DATA than content-length says";
    return NULL;
}

/* What is not handed over counts as consumed at once. */
static bool data_is_taken(struct h2 *h, const struct h2_frame *frame, uint32_t body_bytes)
{
    struct h2_stream *s;
    enum h2_verdict verdict = h2_rule(h2_state_of(h, frame->stream, &s), H2_DATA, h->kind->role);
    const char *why;

    if (verdict == H2_BREAKS_CONNECTION || verdict == H2_BREAKS_CLOSED) {
        h2_break(h, verdict == H2_BREAKS_CLOSED ? H2_STREAM_CLOSED : H2_PROTOCOL_ERROR,
                 "DATA on a stream that is not open");
        return false;
    }
    if (verdict == H2_BREAKS_STREAM)
        h2_fail_stream(h, frame->stream, H2_STREAM_CLOSED, "DATA behind the end");
    if (verdict != H2_GOES_ON)
        return false;
    if (s->is_detached) {
        if ((frame->flags & H2_FLAG_END_STREAM) != 0)
            h2_end_remote(s);
        return false;
    }
    if (!h2_window_take(&s->receive_window, frame->length)) {
        h2_fail_stream(h, s->id, H2_FLOW_CONTROL_ERROR, "more DATA than the stream's window");
        return false;
    }
    why = check_data(s, frame, body_bytes);
    if (why != NULL)
        h2_fail_stream(h, s->id, H2_PROTOCOL_ERROR, why);
    return why == NULL;
}

static void end_data(struct h2 *h)
{
    struct h2_stream *s = h->data_stream != 0 ? h2_find(h, h->data_stream) : NULL;

    h->data_stream = 0;
    if (!h->data_ends || s == NULL || s->has_end || !h2_stream_is_open(s))
        return;
    h2_end_remote(s);
    h->kind->events->on_end(s, NULL);
}

/* The frame has begun; its padding is known, and counts as consumed. */
static void begin_data(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    uint32_t padding = 0, body_bytes = frame->length;
    bool is_taken;

    if ((frame->flags & H2_FLAG_PADDED) != 0) /* its length is there, if there is a payload */
        padding = payload.length > 0 ? (unsigned char)payload.start[0] + 1U : 1;
    if (padding > frame->length) {
        h2_break(h, H2_PROTOCOL_ERROR, "more padding than payload");
        return;
    }
    body_bytes -= padding;
    if (!h2_window_take(&h->receive_window, frame->length)) {
        h2_break(h, H2_FLOW_CONTROL_ERROR, "more DATA than the connection's window");
        return;
    }
    is_taken = data_is_taken(h, frame, body_bytes);
    h->data_stream = is_taken ? frame->stream : 0;
    h->data_left = body_bytes;
    h->data_ends = (frame->flags & H2_FLAG_END_STREAM) != 0;
    h->skip = padding > 0 ? padding - 1 : 0;
    h2_credit_connection(h, is_taken ? padding : frame->length);
    if (is_taken && !h->data_ends)
        h2_credit_stream(h2_find(h, frame->stream), padding);
    if (body_bytes > 0)
        h2_note_use(h, 1);
    else if (h->data_ends || h2_charge(h, H2_COST_EMPTY, "empty DATA frames"))
        end_data(h);
}

static size_t take_body(struct h2 *h, struct slice bytes)
{
    uint32_t length = bytes.length < h->data_left ? (uint32_t)bytes.length : h->data_left;
    struct h2_stream *s = h->data_stream != 0 ? h2_find(h, h->data_stream) : NULL;

    h->data_left -= length;
    if (s != NULL && !s->is_detached && h2_stream_is_open(s) && !s->has_end) {
        s->unconsumed += length;
        s->length_left -= length;
        if (h->kind->role == H2_CLIENT)
            h2_credit_connection(h, length);
        h->kind->events->on_body(s, (struct slice){bytes.start, length});
    } else if (h->data_stream != 0) {
        h2_credit_connection(h, length); /* it was closed in the middle of the frame */
    }
    if (h->data_left == 0 && h2_is_alive(h))
        end_data(h);
    return length;
}

/* --- frames --- */

/* How much of the payload has to be there before the frame begins. */
static uint32_t payload_needed(const struct h2_frame *frame)
{
    if (frame->type == H2_DATA)
        return (frame->flags & H2_FLAG_PADDED) != 0 && frame->length > 0 ? 1 : 0;
    return frame->type < H2_TYPES ? frame->length : 0;
}

static const char *order_fault(const struct h2 *h, const struct h2_frame *frame)
{
    if (h->head_stream != 0) { /* 6.10 */
        bool follows = frame->type == H2_CONTINUATION && frame->stream == h->head_stream;

        return follows ? NULL : "a frame within a head";
    }
    if (frame->type == H2_CONTINUATION)
        return "CONTINUATION without a head";
    if (h->state == H2_AWAITS_SETTINGS && /* 3.4 */
        (frame->type != H2_SETTINGS || (frame->flags & H2_FLAG_ACK) != 0))
        return "no SETTINGS in front";
    return NULL;
}

/* The head of a frame is there: may there be such a frame now? */
static bool admit(struct h2 *h, const struct h2_frame *frame)
{
    bool is_of_stream;
    struct h2_fault fault = h2_frame_check(frame, &is_of_stream);
    const char *why = order_fault(h, frame);

    if (why != NULL)
        h2_break(h, H2_PROTOCOL_ERROR, why);
    else if (fault.why != NULL && !is_of_stream)
        h2_break(h, fault.code, fault.why);
    return h2_is_alive(h);
}

static void act(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    switch (frame->type) {
    case H2_DATA:
        begin_data(h, frame, payload);
        break;
    case H2_HEADERS:
        h2_take_headers(h, frame, payload);
        break;
    case H2_CONTINUATION:
        h2_take_continuation(h, frame, payload);
        break;
    default:
        h2_take_control(h, frame, payload);
    }
}

static size_t append_some(struct buffer *b, struct slice bytes, size_t most)
{
    struct slice some = {bytes.start, bytes.length < most ? bytes.length : most};

    buffer_append(b, some);
    return some.length;
}

/* Of a frame in several reads. */
static size_t gather_frame(struct h2 *h, struct slice bytes)
{
    size_t have = buffer_length(&h->partial), used = 0, need;
    struct h2_frame frame;

    if (have < H2_FRAME_HEAD) {
        used = append_some(&h->partial, bytes, H2_FRAME_HEAD - have);
        if (have + used < H2_FRAME_HEAD)
            return used;
        frame = h2_frame_read(buffer_slice(&h->partial).start);
        if (!admit(h, &frame))
            return used;
    }
    frame = h2_frame_read(buffer_slice(&h->partial).start);
    need = H2_FRAME_HEAD + payload_needed(&frame);
    used += append_some(&h->partial, slice_from(bytes, used), need - buffer_length(&h->partial));
    if (buffer_length(&h->partial) < need)
        return used;
    act(h, &frame, slice_from(buffer_slice(&h->partial), H2_FRAME_HEAD));
    buffer_dispose(&h->partial);
    return used;
}

static size_t take_frame(struct h2 *h, struct slice bytes)
{
    struct h2_frame frame;
    size_t need;

    if (buffer_length(&h->partial) > 0 || bytes.length < H2_FRAME_HEAD)
        return gather_frame(h, bytes);
    frame = h2_frame_read(bytes.start);
    need = H2_FRAME_HEAD + payload_needed(&frame);
    if (bytes.length < need)
        return gather_frame(h, bytes);
    if (admit(h, &frame))
        act(h, &frame, (struct slice){bytes.start + H2_FRAME_HEAD, need - H2_FRAME_HEAD});
    return need;
}

static size_t take_preface(struct h2 *h, struct slice bytes)
{
    size_t left = H2_PREFACE_BYTES - h->preface_seen;
    size_t length = bytes.length < left ? bytes.length : left;

    if (memcmp(bytes.start, preface + h->preface_seen, length) != 0) {
        h2_break(h, H2_PROTOCOL_ERROR, "no preface of HTTP/2");
        return length;
    }
    h->preface_seen += (uint8_t)length;
    if (h->preface_seen == H2_PREFACE_BYTES)
        h->state = H2_AWAITS_SETTINGS;
    return length;
}

static size_t take(struct h2 *h, struct slice bytes)
{
    size_t length;

    if (h->state == H2_AWAITS_PREFACE)
        return take_preface(h, bytes);
    if (h->data_left > 0)
        return take_body(h, bytes);
    if (h->skip == 0)
        return take_frame(h, bytes);
    length = bytes.length < h->skip ? bytes.length : h->skip;
    h->skip -= (uint32_t)length;
    return length;
}

void h2_feed(struct h2 *h, struct slice bytes)
{
    while (bytes.length > 0 && h2_is_alive(h))
        bytes = slice_from(bytes, take(h, bytes));
    if (!h2_is_alive(h))
        return;
    if (h->must_write)
        h2_write_waiting(h);
    if (h->replies >= H2_REPLIES_MOST && stream_backlog(h->stream) > 0) {
        h->is_paused = true;
        stream_pause(h->stream);
    }
}

void h2_drained(struct h2 *h)
{
    h->replies = 0;
    if (!h2_is_alive(h))
        return;
    if (h->is_paused)
        stream_read(h->stream);
    h->is_paused = false;
    h2_write_waiting(h);
}

bool h2_is_in_head(const struct h2 *h)
{
    return h->head_stream != 0 || buffer_length(&h->partial) > 0 ||
           (h->preface_seen > 0 && !h->has_settings);
}

uint32_t h2_request_begun(const struct h2 *h)
{
    struct h2_frame frame;

    if (h->head_stream != 0)
        return h->head_opens ? h->head_stream : 0;
    if (buffer_length(&h->partial) < H2_FRAME_HEAD)
        return 0;
    frame = h2_frame_read(buffer_slice(&h->partial).start);
    return frame.type == H2_HEADERS && frame.stream > h->last_peer ? frame.stream : 0;
}

bool h2_is_at_start(const struct h2 *h)
{
    return h->preface_seen == 0 && !h->has_settings && buffer_length(&h->partial) == 0;
}

size_t h2_held_bytes(const struct h2 *h)
{
    return h->block.capacity + h->partial.capacity;
}
