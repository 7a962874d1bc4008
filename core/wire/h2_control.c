/*
 * SETTINGS, PING, GOAWAY, RST_STREAM, WINDOW_UPDATE, and what is ignored: PRIORITY and frames of
 * unknown types. Each costs, as none of them is a request's own.
 *
 *   h2_drain --> GOAWAY(2^31 - 1), PING --its answer, or h2_drain again--> GOAWAY(last_peer)
 */
#include "wire/h2_inside.h"

enum { PING_BYTES = 8 };

static const char drain_ping[PING_BYTES + 1] = "lb drain";
static const char own_ping[PING_BYTES + 1] = "lb: ping";

/* A frame that DATA of ours may have brought about. */
static bool charge_unless_granted(struct h2 *h, const char *why)
{
    if (h->granted == 0)
        return h2_charge(h, H2_COST, why);
    h->granted--;
    return true;
}

static void add_reply(struct h2 *h, struct h2_frame frame, const char *payload)
{
    if (stream_backlog(h->stream) > 0 && h->replies < UINT8_MAX)
        h->replies++;
    h2_add_frame(h, frame, payload);
}

/* --- SETTINGS (6.5) --- */

void h2_add_settings(struct h2 *h)
{
    const struct h2_kind *kind = h->kind;
    char bytes[4 * H2_SETTING_BYTES], *end = bytes;
    char window[4];

    if (kind->role == H2_CLIENT)
        end = h2_setting_write(end, H2_ENABLE_PUSH, 0);
    else
        end = h2_setting_write(end, H2_MAX_CONCURRENT_STREAMS, kind->streams);
    if (kind->stream_window > H2_WINDOW_FIRST)
        end = h2_setting_write(end, H2_INITIAL_WINDOW_SIZE, kind->stream_window);
    end = h2_setting_write(end, H2_MAX_HEADER_LIST_SIZE, h->head_max);
    if (kind->offers_connect)
        end = h2_setting_write(end, H2_ENABLE_CONNECT_PROTOCOL, 1);
    h2_add_frame(h, (struct h2_frame){.type = H2_SETTINGS, .length = (uint32_t)(end - bytes)},
                 bytes);
    if (kind->connection_window == H2_WINDOW_FIRST)
        return;
    h2_write_32(window, kind->connection_window - H2_WINDOW_FIRST);
    h2_add_frame(h, (struct h2_frame){.type = H2_WINDOW_UPDATE, .length = sizeof window}, window);
    h->receive_window = (int32_t)kind->connection_window;
}

static bool take_window_setting(struct h2 *h, uint32_t value)
{
    int64_t change = (int64_t)value - h->peer_window;

    if (value > INT32_MAX)
        return false;
    for (unsigned i = 0; i < H2_BUCKETS; i++)
        for (struct h2_stream *s = h->buckets[i]; s != NULL; s = s->bucket)
            if (!h2_window_add(&s->send_window, change))
                return false;
    h->peer_window = (int32_t)value;
    h->must_write = true;
    return true;
}

static struct h2_fault take_setting(struct h2 *h, unsigned setting, uint32_t value)
{
    bool is_fine = true;

    switch (setting) {
    case H2_HEADER_TABLE_SIZE:
        hpack_writer_resize(&h->writer, value);
        break;
    case H2_ENABLE_PUSH: /* only a client may say 1 */
        is_fine = value == 0 || (value == 1 && h->kind->role == H2_SERVER);
        break;
    case H2_MAX_CONCURRENT_STREAMS:
        h->peer_streams = value;
        break;
    case H2_INITIAL_WINDOW_SIZE:
        if (!take_window_setting(h, value))
            return (struct h2_fault){H2_FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large"};
        break;
    case H2_MAX_FRAME_SIZE: /* ours are never larger than the least of it */
        is_fine = value >= H2_FRAME_LEAST && value <= H2_FRAME_MOST;
        break;
    case H2_ENABLE_CONNECT_PROTOCOL: /* RFC 8441, 3 */
        is_fine = value == 1 || (value == 0 && !h->peer_has_connect);
        h->peer_has_connect = value == 1;
        break;
    default:
        break;
    }
    return (struct h2_fault){H2_PROTOCOL_ERROR, is_fine ? NULL : "a setting with an invalid value"};
}

static void take_settings(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    struct h2_fault fault = {H2_NO_ERROR, NULL};

    if (frame->length > H2_SETTINGS_MOST * H2_SETTING_BYTES)
        fault = (struct h2_fault){H2_ENHANCE_YOUR_CALM, "too many settings in a frame"};
    while (payload.length > 0 && fault.why == NULL) {
        fault = take_setting(h, h2_read_16(payload.start), h2_read_32(payload.start + 2));
        payload = slice_from(payload, H2_SETTING_BYTES);
    }
    if (fault.why != NULL) {
        h2_break(h, fault.code, fault.why);
        return;
    }
    h->has_settings = true;
    h->state = H2_SPEAKS;
    add_reply(h, (struct h2_frame){.type = H2_SETTINGS, .flags = H2_FLAG_ACK}, NULL);
    if (h2_charge(h, H2_COST, "SETTINGS frames") && h->kind->events->on_settings != NULL)
        h->kind->events->on_settings(h);
}

/* --- PING (6.7) --- */

static void add_ping(struct h2 *h, const char *payload)
{
    h2_add_frame(h, (struct h2_frame){.type = H2_PING, .length = PING_BYTES}, payload);
}

void h2_ping(struct h2 *h)
{
    add_ping(h, own_ping);
}

static void end_drain(struct h2 *h)
{
    if (h->is_final)
        return;
    h2_goaway(h, H2_NO_ERROR, "");
    if (h->kind->events->on_final != NULL)
        h->kind->events->on_final(h);
}

static void take_pong(struct h2 *h, struct slice payload)
{
    if (slice_is(payload, (struct slice){own_ping, PING_BYTES})) {
        if (h->kind->events->on_pong != NULL)
            h->kind->events->on_pong(h);
    } else if (h->drains && slice_is(payload, (struct slice){drain_ping, PING_BYTES})) {
        end_drain(h);
    } else {
        h2_charge(h, H2_COST, "answers to no PING");
    }
}

static void take_ping(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    if ((frame->flags & H2_FLAG_ACK) != 0) {
        take_pong(h, payload);
        return;
    }
    add_reply(h, (struct h2_frame){.type = H2_PING, .flags = H2_FLAG_ACK, .length = PING_BYTES},
              payload.start);
    charge_unless_granted(h, "PING frames");
}

/* --- GOAWAY (6.8) --- */

void h2_add_goaway(struct h2 *h, uint32_t last, enum h2_code code, const char *why)
{
    struct slice text = slice_of(why);
    char bytes[2 * sizeof(uint32_t)];

    h2_write_32(h2_write_32(bytes, last), code);
    h2_add_frame_with(
        h, (struct h2_frame){.type = H2_GOAWAY, .length = (uint32_t)(sizeof bytes + text.length)},
        (struct slice){bytes, sizeof bytes}, text);
}

void h2_goaway(struct h2 *h, enum h2_code code, const char *why)
{
    if (!h2_is_alive(h))
        return;
    if (!h->is_final)
        h->last_taken = h->last_peer;
    h->is_draining = h->is_final = true;
    h2_add_goaway(h, h->last_taken, code, why);
}

void h2_drain(struct h2 *h)
{
    if (!h2_is_alive(h) || h->is_final)
        return;
    if (h->drains) {
        h2_goaway(h, H2_NO_ERROR, "");
        return;
    }
    h->drains = h->is_draining = true;
    h2_add_goaway(h, H2_STREAM_MOST, H2_NO_ERROR, "");
    add_ping(h, drain_ping);
}

static void take_goaway(struct h2 *h, struct slice payload)
{
    uint32_t last = h2_read_32(payload.start) & H2_STREAM_MOST;
    enum h2_code code = (enum h2_code)h2_read_32(payload.start + 4);

    h->is_draining = true;
    if (h->kind->role == H2_CLIENT)
        h2_end_streams(h, last, &(struct h2_reset){H2_BY_GOAWAY, code, "GOAWAY"});
    if (h2_charge(h, H2_COST, "GOAWAY frames") && h->kind->events->on_goaway != NULL)
        h->kind->events->on_goaway(h, code);
}

/* --- RST_STREAM (6.4) --- */

/* An answer that had begun: that is how a watch ends, or a call past its time. An old stream: its
 * client lost its patience with it, and a proxy has many clients. */
static unsigned cost_of_reset(const struct h2 *h, const struct h2_stream *s)
{
    uint32_t age_ms = (uint32_t)loop_now_ms(h->stream->loop) - s->began_ms;

    if (h->kind->role == H2_CLIENT || age_ms >= H2_PATIENT_MS)
        return 0; /* there are only so many */
    return s->is_answered ? H2_COST : H2_COST_RESET;
}

static void take_reset(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    enum h2_code code = (enum h2_code)h2_read_32(payload.start);
    struct h2_stream *s;
    enum h2_verdict verdict =
        h2_rule(h2_state_of(h, frame->stream, &s), H2_RST_STREAM, h->kind->role);
    unsigned cost = H2_COST;

    if (verdict == H2_BREAKS_CONNECTION) {
        h2_break(h, H2_PROTOCOL_ERROR, "RST_STREAM of an idle stream");
        return;
    }
    if (verdict == H2_GOES_ON) {
        cost = cost_of_reset(h, s);
        h2_stream_end(s, H2_RESET_BY_PEER, &(struct h2_reset){H2_BY_PEER, code, "RST_STREAM"});
    }
    h2_charge(h, cost, "streams that are reset");
}

/* --- WINDOW_UPDATE (6.9) --- */

static void grow_connection(struct h2 *h, uint32_t bytes)
{
    if (bytes == 0)
        h2_break(h, H2_PROTOCOL_ERROR, "WINDOW_UPDATE of nothing");
    else if (!h2_window_add(&h->send_window, bytes))
        h2_break(h, H2_FLOW_CONTROL_ERROR, "the connection's window is too large");
}

static void grow_stream(struct h2 *h, uint32_t id, uint32_t bytes)
{
    struct h2_stream *s;
    enum h2_verdict verdict = h2_rule(h2_state_of(h, id, &s), H2_WINDOW_UPDATE, h->kind->role);

    if (verdict == H2_BREAKS_CONNECTION)
        h2_break(h, H2_PROTOCOL_ERROR, "WINDOW_UPDATE of an idle stream");
    else if (verdict == H2_GOES_ON && bytes == 0)
        h2_fail_stream(h, id, H2_PROTOCOL_ERROR, "WINDOW_UPDATE of nothing");
    else if (verdict == H2_GOES_ON && !h2_window_add(&s->send_window, bytes))
        h2_fail_stream(h, id, H2_FLOW_CONTROL_ERROR, "the stream's window is too large");
}

static void take_update(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    uint32_t bytes = h2_read_32(payload.start) & H2_STREAM_MOST;

    if (!charge_unless_granted(h, "WINDOW_UPDATE frames"))
        return;
    h->must_write = true;
    if (frame->stream == 0)
        grow_connection(h, bytes);
    else
        grow_stream(h, frame->stream, bytes);
}

/* --- the others --- */

/* Priorities are ignored (5.3.2), but not those that are wrong. */
static void take_priority(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    bool is_of_stream;
    struct h2_fault fault = h2_frame_check(frame, &is_of_stream);
    struct h2_stream *s;
    enum h2_stream_state state = h2_state_of(h, frame->stream, &s);

    if (fault.why == NULL && h2_frame_depends_on(frame, payload.start) == frame->stream)
        fault = (struct h2_fault){H2_PROTOCOL_ERROR, "a stream that depends on itself"};
    if (fault.why == NULL || state >= H2_ENDED)
        h2_charge(h, H2_COST, "PRIORITY frames");
    else if (state == H2_IDLE) /* that cannot be reset (6.4) */
        h2_break(h, fault.code, fault.why);
    else
        h2_fail_stream(h, frame->stream, fault.code, fault.why);
}

void h2_take_control(struct h2 *h, const struct h2_frame *frame, struct slice payload)
{
    switch (frame->type) {
    case H2_SETTINGS:
        if ((frame->flags & H2_FLAG_ACK) == 0)
            take_settings(h, frame, payload);
        else
            h2_charge(h, H2_COST, "answers to no SETTINGS");
        break;
    case H2_PING:
        take_ping(h, frame, payload);
        break;
    case H2_GOAWAY:
        take_goaway(h, payload);
        break;
    case H2_RST_STREAM:
        take_reset(h, frame, payload);
        break;
    case H2_WINDOW_UPDATE:
        take_update(h, frame, payload);
        break;
    case H2_PRIORITY:
        take_priority(h, frame, payload);
        break;
    case H2_PUSH_PROMISE:
        h2_break(h, H2_PROTOCOL_ERROR, "PUSH_PROMISE");
        break;
    default:
        h->skip = frame->length;
        h2_charge(h, H2_COST, "frames of unknown types");
    }
}
