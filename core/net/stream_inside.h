/*
 * stream_inside - a stream's parts, and what it reports.
 *
 * For net/stream and net/stream_write; the others get it with net/stream.h.
 */
#ifndef NET_STREAM_INSIDE_H
#define NET_STREAM_INSIDE_H

#include "base/check.h"
#include "net/loop.h"
#include "net/tls.h"

/* The connection has ended without a close_notify: an incomplete message was cut. More can be
 * written, as after any end. */
enum { STREAM_CUT = UV_EOF };

struct stream;

struct stream_events {
    void (*on_connected)(struct stream *, int status); /* 0, or a negative libuv code */
    void (*on_bytes)(struct stream *, struct slice);
    /* 0: the peer will send no more; STREAM_CUT; else it broke. */
    void (*on_end)(struct stream *, int status);
    /* After stream_secure or stream_secure_to: the handshake is over, and on_bytes comes from now
     * on; or it is refused, and stream->tls has the reason. NULL: no stream of this owner has
     * TLS. */
    void (*on_secured)(struct stream *, enum tls_refusal);
    void (*on_drained)(struct stream *); /* the queue is empty; NULL if nobody waits for it */
    void (*on_closed)(struct stream *);
    /* may_pass: how many bytes may go to *to unseen. on_passed: how many did. NULL: none may. */
    uint64_t (*may_pass)(struct stream *, struct stream **to);
    void (*on_passed)(struct stream *, size_t length);
    /* May the bytes that stream_send_soon deferred still go out? Else they are dropped, and the
     * owner knows. NULL: always. */
    bool (*may_leave)(struct stream *);
    bool reads_to_the_end; /* a write that failed is reported after what is still to be read */
};

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct loop *loop;
    const struct stream_events *events;
    struct tls *tls;        /* NULL: none */
    struct deferred failed; /* reports a write that failed at once */
    uint32_t queued_bytes;
    int failure; /* 0, or why it can be written no more */
    bool is_reading, has_ended, has_told, is_closing;
    bool is_finishing, has_finished;
    bool is_fast;    /* more came at once than was read */
    bool wants_kept; /* it is read: what stream_look_sealed has kept is to be reported */
    struct outlet outlet;
};

/* Until stream_read; what the peer sends waits with the kernel. */
static inline void stream_pause(struct stream *s)
{
    s->wants_kept = false;
    if (!s->is_reading)
        return;
    s->is_reading = s->is_fast = false;
    uv_read_stop(&s->uv.stream);
}

/* For a handshake that waits for its turn, and after that: what the peer sends meanwhile waits with
 * the kernel. */
void stream_hold(struct stream *);
void stream_go_on(struct stream *);

#endif
