/*
 *   length 24 | type 8 | flags 8 | stream 31 | payload: [pad length 8] [priority 40] .. [padding]
 */
#include "http/h2_frames.h"

enum { PRIORITY_BYTES = 5 };

enum place { ON_STREAM, ON_CONNECTION, ON_ANY };

/* The sizes of a payload, and where the frame stands (6). */
static const struct {
    uint32_t least, most;
    enum place place;
    bool is_of_stream; /* a wrong size is an error of the stream alone */
} shapes[H2_TYPES] = {
    [H2_DATA] = {0, H2_FRAME_LEAST, ON_STREAM, false},
    [H2_HEADERS] = {0, H2_FRAME_LEAST, ON_STREAM, false},
    [H2_PRIORITY] = {PRIORITY_BYTES, PRIORITY_BYTES, ON_STREAM, true},
    [H2_RST_STREAM] = {4, 4, ON_STREAM, false},
    [H2_SETTINGS] = {0, H2_FRAME_LEAST, ON_CONNECTION, false},
    [H2_PUSH_PROMISE] = {0, H2_FRAME_LEAST, ON_STREAM, false},
    [H2_PING] = {8, 8, ON_CONNECTION, false},
    [H2_GOAWAY] = {8, H2_FRAME_LEAST, ON_CONNECTION, false},
    [H2_WINDOW_UPDATE] = {4, 4, ON_ANY, false},
    [H2_CONTINUATION] = {0, H2_FRAME_LEAST, ON_STREAM, false},
};

static struct h2_fault settings_fault(const struct h2_frame *frame)
{
    if ((frame->flags & H2_FLAG_ACK) != 0 && frame->length > 0)
        return (struct h2_fault){H2_FRAME_SIZE_ERROR, "an acknowledgement with settings"};
    if (frame->length % H2_SETTING_BYTES != 0)
        return (struct h2_fault){H2_FRAME_SIZE_ERROR, "a part of a setting"};
    return (struct h2_fault){H2_NO_ERROR, NULL};
}

struct h2_fault h2_frame_check(const struct h2_frame *frame, bool *is_of_stream)
{
    *is_of_stream = false;
    if (frame->length > H2_FRAME_LEAST) /* we announce nothing else */
        return (struct h2_fault){H2_FRAME_SIZE_ERROR, "a frame that is too large"};
    if (frame->type >= H2_TYPES)
        return (struct h2_fault){H2_NO_ERROR, NULL};
    if (shapes[frame->type].place == ON_STREAM && frame->stream == 0)
        return (struct h2_fault){H2_PROTOCOL_ERROR, "a frame without the stream that it needs"};
    if (shapes[frame->type].place == ON_CONNECTION && frame->stream != 0)
        return (struct h2_fault){H2_PROTOCOL_ERROR, "a frame of the connection on a stream"};
    if (frame->length < shapes[frame->type].least || frame->length > shapes[frame->type].most) {
        *is_of_stream = shapes[frame->type].is_of_stream;
        return (struct h2_fault){H2_FRAME_SIZE_ERROR, "a frame of a wrong size"};
    }
    if (frame->type == H2_SETTINGS)
        return settings_fault(frame);
    return (struct h2_fault){H2_NO_ERROR, NULL};
}

/* Bytes before what the payload is about. */
static size_t bytes_before(const struct h2_frame *frame)
{
    size_t bytes = 0;

    if ((frame->flags & H2_FLAG_PADDED) != 0)
        bytes++;
    if (frame->type == H2_HEADERS && (frame->flags & H2_FLAG_PRIORITY) != 0)
        bytes += PRIORITY_BYTES;
    return bytes;
}

bool h2_frame_strip(const struct h2_frame *frame, struct slice *payload)
{
    size_t before = bytes_before(frame), padding = 0;

    if (before == 0)
        return true;
    if (payload->length < before)
        return false;
    if ((frame->flags & H2_FLAG_PADDED) != 0)
        padding = (unsigned char)payload->start[0];
    *payload = slice_from(*payload, before);
    if (padding > payload->length)
        return false;
    payload->length -= padding;
    return true;
}

uint32_t h2_frame_depends_on(const struct h2_frame *frame, const char *payload)
{
    size_t at = frame->type == H2_HEADERS ? bytes_before(frame) - PRIORITY_BYTES : 0;

    return h2_read_32(payload + at) & H2_STREAM_MOST;
}

const char *h2_code_name(uint32_t code)
{
    static const char *const names[] = {
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    };

    return code < sizeof names / sizeof *names ? names[code] : "an unknown code";
}
