/*
 * h2_inside - what the files of h2 ask of each other. For wire/h2*.c only.
 *
 *   h2_feed.c      bytes to frames, DATA           h2_heads.c    HEADERS, CONTINUATION
 *   h2_control.c   the frames of the connection    h2_streams.c  which there are, and their ends
 *   h2_send.c      heads and bodies out, windows
 */
#ifndef WIRE_H2_INSIDE_H
#define WIRE_H2_INSIDE_H

#include "http/h2_flow.h"
#include "wire/h2.h"

enum h2_state {
    H2_AWAITS_PREFACE,  /* server */
    H2_AWAITS_SETTINGS, /* which is the first frame (3.4) */
    H2_SPEAKS,
    H2_BROKEN, /* GOAWAY went out */
    H2_LOST,   /* the owner has said so */
};

enum h2_end { H2_NO_END, H2_END_BARE, H2_END_TRAILERS };

enum {
    H2_ABUSE_MOST = 1000, /* what a connection begins with, and is refilled to */
    H2_ABUSE_REFILL = 10, /* a second; by use, 1 for each message and each so many frames */
    H2_COST = 1,          /* of a frame that asks for no work but its own */
    H2_COST_EMPTY = 5,    /* one that moves nothing, a stream that is refused */
    H2_COST_RESET = 10,   /* work that was begun for nothing, but for a stream that is */
    H2_PATIENT_MS = 100,  /* so old: there are only so many of these at once */
    H2_CONTINUATIONS_MOST = 8,
    H2_BLOCK_FACTOR = 4,        /* a head may have so many times head_max, encoded */
    H2_HEADS_BYTES = 256 << 10, /* of a connection: heads to which no answer has begun */
    H2_SETTINGS_MOST = 32,
    H2_REPLIES_MOST = 8,
    /* For each DATA of ours: two WINDOW_UPDATEs, and a PING by which the peer measures the way, as
     * gRPC's implementations do while they receive. */
    H2_GRANTED_EACH = 3,
    H2_GRANTED_MOST = 300,
};

static inline bool h2_is_alive(const struct h2 *h)
{
    return h->state < H2_BROKEN;
}

/* --- h2_streams.c --- */

static inline bool h2_stream_is_open(const struct h2_stream *s)
{
    return s->state >= H2_OPEN && s->state <= H2_HALF_REMOTE;
}

struct h2_stream *h2_find(const struct h2 *, uint32_t id);
/* *stream: NULL if nobody has it any more, or yet. */
enum h2_stream_state h2_state_of(const struct h2 *, uint32_t id, struct h2_stream **stream);
bool h2_is_of_peer(const struct h2 *, uint32_t id);
/* Begins: the numbers and windows; its id is that, or 0 for later. */
void h2_stream_begin(struct h2 *, struct h2_stream *, uint32_t id);
void h2_stream_number(struct h2_stream *, uint32_t id);
void h2_note_closed(struct h2 *, uint32_t id, enum h2_stream_state);
void h2_end_local(struct h2_stream *);
void h2_end_remote(struct h2_stream *);
void h2_stream_free(struct h2_stream *); /* one that is detached */
/* It is closed, and its owner hears it. The stream may be gone afterwards. */
void h2_stream_end(struct h2_stream *, enum h2_stream_state, const struct h2_reset *);
/* Those above that number, and those without one. */
void h2_end_streams(struct h2 *, uint32_t above, const struct h2_reset *);

/* Each of these may bring events, and break the connection. */
void h2_fail_stream(struct h2 *, uint32_t id, enum h2_code, const char *why);
void h2_break(struct h2 *, enum h2_code, const char *why);
/* False: the account was empty, and the connection is broken. */
bool h2_charge(struct h2 *, unsigned cost, const char *why);
void h2_note_use(struct h2 *, unsigned frames); /* H2_ABUSE_REFILL frames are worth 1 */

/* --- h2_heads.c --- */

void h2_take_headers(struct h2 *, const struct h2_frame *, struct slice payload);
void h2_take_continuation(struct h2 *, const struct h2_frame *, struct slice payload);

/* --- h2_control.c --- */

void h2_take_control(struct h2 *, const struct h2_frame *, struct slice payload);
void h2_add_settings(struct h2 *);
void h2_add_goaway(struct h2 *, uint32_t last, enum h2_code, const char *why);

/* --- h2_send.c --- */

void h2_add_frame(struct h2 *, struct h2_frame, const char *payload); /* a short one */
/* The second part is borrowed as stream_add does, if it is long; the first one is short. */
void h2_add_frame_with(struct h2 *, struct h2_frame, struct slice copied, struct slice borrowed);
void h2_add_reset(struct h2 *, uint32_t id, enum h2_code);
void h2_write_waiting(struct h2 *); /* brings on_drained */
void h2_credit_connection(struct h2 *, uint32_t bytes);
void h2_credit_stream(struct h2_stream *, uint32_t bytes);

#endif
