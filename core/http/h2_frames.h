/*
 * h2_frames - frames of HTTP/2: their heads, sizes, padding (RFC 9113, 4 and 6). Pure.
 */
#ifndef HTTP_H2_FRAMES_H
#define HTTP_H2_FRAMES_H

#include "base/check.h"
#include "base/slice.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum h2_code { /* RFC 9113, 7 */
               H2_NO_ERROR,
               H2_PROTOCOL_ERROR,
               H2_INTERNAL_ERROR,
               H2_FLOW_CONTROL_ERROR,
               H2_SETTINGS_TIMEOUT,
               H2_STREAM_CLOSED,
               H2_FRAME_SIZE_ERROR,
               H2_REFUSED_STREAM,
               H2_CANCEL,
               H2_COMPRESSION_ERROR,
               H2_CONNECT_ERROR,
               H2_ENHANCE_YOUR_CALM,
               H2_INADEQUATE_SECURITY,
               H2_HTTP_1_1_REQUIRED,
};

enum h2_type {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION,
    H2_TYPES, /* those above it are unknown, and ignored (5.5) */
};

enum {
    H2_FLAG_END_STREAM = 0x1,
    H2_FLAG_ACK = 0x1,
    H2_FLAG_END_HEADERS = 0x4,
    H2_FLAG_PADDED = 0x8,
    H2_FLAG_PRIORITY = 0x20,
};

enum h2_setting { /* 6.5.2; RFC 8441, 3 */
                  H2_HEADER_TABLE_SIZE = 1,
                  H2_ENABLE_PUSH,
                  H2_MAX_CONCURRENT_STREAMS,
                  H2_INITIAL_WINDOW_SIZE,
                  H2_MAX_FRAME_SIZE,
                  H2_MAX_HEADER_LIST_SIZE,
                  H2_ENABLE_CONNECT_PROTOCOL = 8,
};

enum {
    H2_FRAME_HEAD = 9,      /* bytes */
    H2_FRAME_LEAST = 16384, /* of MAX_FRAME_SIZE, and what is in force at first */
    H2_FRAME_MOST = 16777215,
    H2_SETTING_BYTES = 6,
    H2_WINDOW_FIRST = 65535, /* INITIAL_WINDOW_SIZE, and of the connection */
    H2_TABLE_FIRST = 4096,   /* HEADER_TABLE_SIZE */
};

#define H2_STREAM_MOST UINT32_C(0x7fffffff)

struct h2_frame {
    uint32_t length; /* of the payload */
    uint32_t stream; /* 0: the connection */
    uint8_t type, flags;
};

static inline uint16_t h2_read_16(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;

    return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t h2_read_32(const char *at)
{
    uint32_t number;

    memcpy(&number, at, sizeof number);
    return be32toh(number);
}

static inline char *h2_write_16(char *out, uint32_t number)
{
    out[0] = (char)(number >> 8);
    out[1] = (char)number;
    return out + 2;
}

static inline char *h2_write_32(char *out, uint32_t number)
{
    number = htobe32(number);
    memcpy(out, &number, sizeof number);
    return out + sizeof number;
}

/* Of H2_FRAME_HEAD bytes; the reserved bit is ignored (4.1). */
static inline struct h2_frame h2_frame_read(const char *bytes)
{
    return (struct h2_frame){
        .length = h2_read_32(bytes) >> 8,
        .type = (uint8_t)bytes[3],
        .flags = (uint8_t)bytes[4],
        .stream = h2_read_32(bytes + 5) & H2_STREAM_MOST,
    };
}

/* Writes H2_FRAME_HEAD bytes; gives the place behind them. */
static inline char *h2_frame_write(char *out, struct h2_frame frame)
{
    out = h2_write_32(out, frame.length << 8 | frame.type);
    *out++ = (char)frame.flags;
    return h2_write_32(out, frame.stream);
}

static inline char *h2_setting_write(char *out, enum h2_setting setting, uint32_t value)
{
    return h2_write_32(h2_write_16(out, setting), value);
}

/* What is wrong. why: static text; NULL: nothing is. */
struct h2_fault {
    enum h2_code code;
    const char *why;
};

/* Is the frame of a size that its type may have, and on a stream or the connection as it must be?
 * Else that is an error of the connection, or of the stream alone if is_of_stream. */
struct h2_fault h2_frame_check(const struct h2_frame *, bool *is_of_stream);
/* The payload of a padded or prioritised frame, without that. False: more padding than payload. */
bool h2_frame_strip(const struct h2_frame *, struct slice *payload) MUST_USE;
/* The stream that a frame with H2_FLAG_PRIORITY depends on; after a true h2_frame_strip of it. */
uint32_t h2_frame_depends_on(const struct h2_frame *, const char *payload);
const char *h2_code_name(uint32_t code); /* "PROTOCOL_ERROR" */

#endif
