/*
 * spans - a ring for each worker in which it leaves the spans of its requests, without a lock and
 * without waiting.
 *
 * Only the worker writes there, and whoever exports them takes them. A ring that nobody empties is
 * written over: then those who were too late hear how many they have missed. Each record has its
 * version, odd while it is written. So a worker that is killed leaves at most one record that
 * nobody takes, over which its successor writes. Without tracing no page is touched.
 */
#ifndef SHARED_SPANS_H
#define SHARED_SPANS_H

#include "base/utf8.h"
#include "shared/segment.h"

#include <string.h>

enum { SPAN_TRACE_BYTES = 32 };

enum span_kind { SPAN_SERVER = 2, SPAN_CLIENT = 3 }; /* as OTLP has them */

enum span_text {
    SPAN_METHOD,
    SPAN_PATH,    /* without the query */
    SPAN_ADDRESS, /* "host:port" that was asked for, or of the backend */
    SPAN_PEER,    /* the client's address, or the backend's name */
    SPAN_WHY,     /* in the script's words; may be empty */
    SPAN_ERROR,   /* error.type, where it is no status: "timeout" */
    SPAN_TEXTS
};

/* All but the texts, which stand behind it in their order. */
struct span_head {
    char trace[SPAN_TRACE_BYTES]; /* in hex digits */
    uint64_t span, parent;        /* parent 0: none */
    uint64_t start_us, end_us;    /* since 1970 */
    uint16_t status;              /* of HTTP; 0: there was none */
    uint16_t bytes;               /* of all texts, */
    uint16_t lengths[SPAN_TEXTS]; /* of each */
    uint8_t kind;                 /* enum span_kind */
    uint8_t version;              /* of HTTP, enum version */
    uint8_t resends;              /* which try it is: from 0 */
    uint8_t is_error, is_secure;
    uint8_t padding[3];
};

struct span {
    union {
        struct {
            struct span_head head;
            char texts[SPAN_BYTES - sizeof(struct span_head)];
        };
        uint64_t words[SPAN_BYTES / 8];
    };
};

/* For a span whose lengths are zeros: the texts in their order, each once at most. What is longer
 * than `most`, or has no room, is cut. */
static inline void span_add(struct span *s, enum span_text which, struct slice text, size_t most)
{
    size_t at = s->head.bytes, room = sizeof s->texts - at;

    if (text.length == 0)
        return;
    if (text.length > most || text.length > room)
        text.length = utf8_cut(text, most < room ? most : room);
    memcpy(s->texts + at, text.start, text.length);
    s->head.lengths[which] = (uint16_t)text.length;
    s->head.bytes = (uint16_t)(at + text.length);
}

struct slice span_get(const struct span *, enum span_text);

/* In the worker that has the slot. */
void spans_put(struct segment *, unsigned slot, const struct span *);
/* The oldest one of the slot, which is nobody else's then. False: there is none. *lost: one more
 * for each that was written over before somebody took it. */
bool spans_take(struct segment *, unsigned slot, struct span *, uint64_t *lost);
bool spans_are_there(const struct segment *, unsigned slot);

#endif
