/*
 *   HEADERS [CONTINUATION ..] --> block --hpack--> fields --h2_fields--> lines --> the owner
 *
 * A block is read to its end whatever becomes of its stream: the table must stay in step.
 */
#include "wire/h2_inside.h"

/* --- what a head is --- */

static enum h2_head_kind kind_of(const struct h2 *h, const struct h2_stream *s)
{
    if (h->kind->role == H2_SERVER)
        return h->head_opens ? H2_REQUEST : H2_TRAILERS;
    return s != NULL && s->has_final ? H2_TRAILERS : H2_RESPONSE;
}

/* Its owner may have reset or released the stream since the head began. */
static bool is_wanted(const struct h2 *h, const struct h2_stream *s)
{
    if (h->head_verdict != H2_GOES_ON)
        return h->head_verdict != H2_IS_IGNORED;
    return h->head_opens || (s != NULL && h2_stream_is_open(s) && !s->has_end);
}

/* --- of a stream that is there --- */

static void take_trailers(struct h2_stream *s, struct h2_head *head)
{
    struct h2 *h = s->h2;

    if (!h->head_ends) {
        h2_fail_stream(h, s->id, H2_PROTOCOL_ERROR, "trailers without END_STREAM");
    } else if (s->has_length && s->length_left > 0) {
        h2_fail_stream(h, s->id, H2_PROTOCOL_ERROR, "less DATA than content-length says");
    } else if (head->is_large) {
        h2_fail_stream(h, s->id, H2_ENHANCE_YOUR_CALM, "trailers beyond limits.head");
    } else {
        h2_end_remote(s);
        head->is_end = true;
        if (!s->is_detached)
            h->kind->events->on_end(s, head);
    }
}

static const char *check_response(const struct h2_stream *s, const struct h2_head *head)
{
    if (head->status < 200)
        return head->is_end ? "an interim response with END_STREAM" : NULL;
    if (head->is_end && head->has_length && head->length > 0 && !s->answers_head &&
        head->status != 304)
        return "less DATA than content-length says";
    return NULL;
}

static void take_response(struct h2_stream *s, struct h2_head *head)
{
    struct h2 *h = s->h2;
    const char *why;
    bool has_none;

    head->is_end = h->head_ends;
    why = check_response(s, head);
    if (why != NULL) {
        h2_fail_stream(h, s->id, H2_PROTOCOL_ERROR, why);
        return;
    }
    if (head->status >= 200) {
        has_none = s->answers_head || head->status == 204 || head->status == 304;
        s->has_final = true;
        s->has_length = has_none || head->has_length;
        s->length_left = has_none ? 0 : head->length;
    }
    if (head->is_end)
        h2_end_remote(s);
    h->kind->events->on_head(s, head);
}

/* --- a request --- */

/* False: too many of them, and the connection is broken. */
static void refuse(struct h2 *h, uint32_t id)
{
    h2_add_reset(h, id, H2_REFUSED_STREAM);
    h2_note_closed(h, id, H2_RESET_BY_US);
    if (++h->refused > h->kind->streams)
        h2_break(h, H2_ENHANCE_YOUR_CALM, "streams beyond twice the limit");
    else
        h2_charge(h, H2_COST_EMPTY, "streams that are refused");
}

static void refuse_malformed(struct h2 *h, uint32_t id, const char *why)
{
    if (h->kind->events->on_malformed != NULL)
        h->kind->events->on_malformed(h, id, why);
    if (h2_is_alive(h))
        h2_fail_stream(h, id, H2_PROTOCOL_ERROR, why);
}

static bool has_place(const struct h2 *h, const struct h2_head *head)
{
    return h->open_streams < h->kind->streams &&
           h->heads_bytes + head->lines.length <= H2_HEADS_BYTES;
}

static void take_request(struct h2 *h, uint32_t id, struct h2_head *head)
{
    struct h2_stream *s;

    head->is_end = h->head_ends;
    if (head->is_end && head->has_length && head->length > 0) {
        refuse_malformed(h, id, "less DATA than content-length says");
        return;
    }
    s = has_place(h, head) ? h->kind->events->on_open(h) : NULL;
    if (s == NULL) {
        if (h2_is_alive(h))
            refuse(h, id);
        return;
    }
    h2_stream_begin(h, s, id);
    s->has_length = head->has_length && head->protocol.length == 0;
    s->length_left = head->length;
    s->head_bytes = (uint32_t)head->lines.length;
    h->heads_bytes += s->head_bytes;
    if (head->is_end)
        h2_end_remote(s);
    h->kind->events->on_head(s, head);
}

/* --- the block is complete --- */

static bool read_block(struct h2 *h, struct h2_fields *fields, enum h2_head_kind kind,
                       struct slice block)
{
    h2_fields_begin(fields, kind, h->head_max);
    fields->may_connect = h->kind->offers_connect;
    if (hpack_read(h->reader, block, h2_fields_add, fields))
        return true;
    if (h2_fields_are_too_many(fields))
        h2_break(h, H2_ENHANCE_YOUR_CALM, "a head far beyond limits.head");
    else
        h2_break(h, H2_COMPRESSION_ERROR, "a head that is no valid HPACK");
    return false;
}

static void take_head(struct h2 *h, struct h2_stream *s, uint32_t id, enum h2_head_kind kind,
                      struct h2_head *head)
{
    if (kind == H2_REQUEST)
        take_request(h, id, head);
    else if (kind == H2_TRAILERS)
        take_trailers(s, head);
    else
        take_response(s, head);
}

static void end_head(struct h2 *h, struct slice block)
{
    uint32_t id = h->head_stream;
    struct h2_stream *s = h2_find(h, id);
    enum h2_head_kind kind = kind_of(h, s);
    struct h2_fields fields;
    const char *why;

    h->head_stream = 0;
    if (!read_block(h, &fields, kind, block) || !is_wanted(h, s))
        return;
    why = h2_fields_end(&fields);
    if (h->depends_on_itself)
        why = "a stream that depends on itself"; /* RFC 7540, 5.3.1 */
    if (h->head_verdict == H2_BREAKS_STREAM)
        h2_fail_stream(h, id, H2_STREAM_CLOSED, "a head behind the end");
    else if (why != NULL && kind == H2_REQUEST)
        refuse_malformed(h, id, why);
    else if (why != NULL)
        h2_fail_stream(h, id, H2_PROTOCOL_ERROR, why);
    else
        take_head(h, s, id, kind, &fields.head);
}

/* --- frames --- */

/* Does a head begin here? Else the connection is broken. */
static bool begin_head(struct h2 *h, uint32_t id)
{
    struct h2_stream *s;
    enum h2_stream_state state = h2_state_of(h, id, &s);
    enum h2_verdict verdict = h2_rule(state, H2_HEADERS, h->kind->role);

    if (verdict == H2_BREAKS_CLOSED || verdict == H2_BREAKS_CONNECTION ||
        (state == H2_IDLE && !h2_is_of_peer(h, id))) {
        h2_break(h, verdict == H2_BREAKS_CLOSED ? H2_STREAM_CLOSED : H2_PROTOCOL_ERROR,
                 "a head on a stream that cannot have one");
        return false;
    }
    h->head_opens = state == H2_IDLE;
    if (h->head_opens) {
        h->last_peer = id;
        if (h->is_final)
            verdict = H2_IS_IGNORED;
    }
    h->head_stream = id;
    h->head_verdict = (uint8_t)verdict;
    h->continuations = 0;
    return true;
}

/* A part of a block: all of it if the flag says so, and nothing was kept before. */
static void take_part(struct h2 *h, const struct h2_frame *frame, struct slice part)
{
    bool ends = (frame->flags & H2_FLAG_END_HEADERS) != 0;

    if (buffer_length(&h->block) + part.length > (size_t)h->head_max * H2_BLOCK_FACTOR) {
        h2_break(h, H2_ENHANCE_YOUR_CALM, "a head far beyond limits.head");
    } else if (ends && buffer_length(&h->block) == 0) {
        end_head(h, part);
    } else {
        buffer_append(&h->block, part);
        if (ends) {
            end_head(h, buffer_slice(&h->block));
            buffer_dispose(&h->block);
        } else if (part.length == 0) {
            h2_charge(h, H2_COST_EMPTY, "empty parts of a head");
        }
    }
}

void h2_take_headers(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    const char *start = payload.start;

    if (!h2_frame_strip(frame, &payload)) {
        h2_break(h, H2_PROTOCOL_ERROR, "more padding than payload");
        return;
    }
    if (!begin_head(h, frame->stream))
        return;
    h->head_ends = (frame->flags & H2_FLAG_END_STREAM) != 0;
    h->depends_on_itself = (frame->flags & H2_FLAG_PRIORITY) != 0 &&
                           h2_frame_depends_on(frame, start) == frame->stream;
    take_part(h, frame, payload);
}

void h2_take_continuation(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    if (++h->continuations > H2_CONTINUATIONS_MOST)
        h2_break(h, H2_ENHANCE_YOUR_CALM, "a head in too many frames");
    else
        take_part(h, frame, payload);
}
