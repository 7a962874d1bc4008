/*
 * stream - one connection: TCP or a unix socket, client's or backend's side.
 *
 * The states are opening (after stream_connect), open, closing, closed. Bytes
 * read are borrowed for the length of the event. Writes are tried at once; what
 * the kernel refuses is copied and queued, and on_drained says when the queue is
 * empty again. Whoever produces bytes stops while stream_backlog is not 0.
 *
 * Events come from the loop, never inside a call. After stream_close comes
 * exactly one, on_closed, and only then is the memory the owner's again.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/check.h"
#include "base/slice.h"
#include "net/loop.h"
#include "net/socket.h"

#include <netinet/in.h>

enum { STREAM_COPY_MAX = OUTBOX_COPY_MAX };

struct stream;

struct stream_events {
    void (*on_connected)(struct stream *, int status); /* 0, or a negative libuv code */
    void (*on_bytes)(struct stream *, struct slice);
    void (*on_end)(struct stream *, int status); /* 0: the peer will send no more; else it broke */
    void (*on_drained)(struct stream *); /* the queue is empty; NULL if nobody waits for it */
    void (*on_closed)(struct stream *);
    /* may_pass: how many bytes may go to *to unseen. on_passed: how many did. NULL: none may. */
    uint64_t (*may_pass)(struct stream *, struct stream **to);
    void (*on_passed)(struct stream *, size_t length);
    /* Of what stream_send_soon deferred: may it still go out? Else it is dropped, and the owner
     * knows. NULL: always. */
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
    struct deferred failed; /* reports a write that failed at once */
    uint32_t queued_bytes;
    int failure; /* 0, or why it can be written no more */
    bool is_reading, has_ended, has_told, is_closing;
    bool is_finishing, has_finished;
    bool is_fast; /* more came at once than was read */
    struct outlet outlet;
};

/* Takes a socket that was accepted. */
void stream_accept(struct stream *, struct loop *, int socket, const struct stream_events *);
/* Begins to connect; on_connected reports the result. 0, or a negative libuv code that says why it
 * could not even begin; then the stream must still be closed. */
int stream_connect(struct stream *, struct loop *, const struct sockaddr *,
                   const struct stream_events *) MUST_USE;
void stream_read(struct stream *); /* on_bytes and on_end come from now on */
/* Of a stream that was never read, from a deferred event or one of its own: if bytes are there,
 * and the peer has not reset, one event brings them before this returns, and the loop watches the
 * socket only after stream_read; else this begins to read. A stream that ends soon need never be
 * watched. */
void stream_read_first(struct stream *);
/* Until stream_read; what the peer sends waits with the kernel. */
void stream_pause(struct stream *);
/* Borrows the bytes for the call. on_end reports a failure. */
void stream_write(struct stream *, const uv_buf_t *parts, unsigned count);
/* What was added goes out, and the peer sees the end behind it. No more writes. If the kernel does
 * not take all at once it is no more than stream_flush: stream_shutdown waits for the rest. */
void stream_finish(struct stream *);
void stream_shutdown(struct stream *); /* no more writes; the peer sees the end after the queue */
void stream_reset(struct stream *); /* like stream_close, but the peer sees a reset, not an end */
void stream_close(struct stream *); /* what is queued is lost; twice is fine */

/* The same, together with what else is added before the running event is over: one system call for
 * all. Borrows the bytes until then, or until stream_flush. */
static inline void stream_add(struct stream *s, struct slice bytes)
{
    outbox_add(&s->loop->outbox, &s->outlet, bytes);
}

/* The same for at most STREAM_COPY_MAX bytes, copied. */
static inline void stream_add_copy(struct stream *s, struct slice bytes)
{
    outbox_add_copy(&s->loop->outbox, &s->outlet, bytes);
}

/* Memory for what is added next: it lasts as long as stream_add borrows that. */
static inline struct arena *stream_room(struct loop *loop)
{
    return outbox_room(&loop->outbox);
}

static inline void stream_flush(struct stream *s)
{
    outbox_send(&s->loop->outbox, &s->outlet);
}

/* Like stream_flush, but a little goes out before the loop waits, with that of other streams: peers
 * that are woken by several writes in a row are woken once. It is not borrowed any more. */
static inline void stream_send_soon(struct stream *s)
{
    outbox_defer(&s->loop->outbox, &s->outlet);
}

static inline int stream_fd(const struct stream *s)
{
    uv_os_fd_t fd;

    return uv_fileno(&s->uv.handle, &fd) == 0 ? fd : -1;
}

static inline size_t stream_backlog(const struct stream *s)
{
    return s->queued_bytes;
}

/* Bytes that the peer's system has not taken: queued here and in the kernel. A system call. */
static inline uint32_t stream_unsent(const struct stream *s)
{
    return (uint32_t)s->uv.stream.write_queue_size + socket_unsent(stream_fd(s));
}

/* Of a stream that is not being read, so that no event reports it: has the connection been reset,
 * or given up by the kernel (stream_keep_alive)? An end in peace is neither. A system call. */
static inline bool stream_is_dead(const struct stream *s)
{
    return s->failure != 0 || socket_is_dead(stream_fd(s));
}

/* From now on the kernel asks the peer every few seconds whether it still knows this connection,
 * and gives up one that it does not know or that nobody answers. The owner of a socket that was
 * closed cannot be told from one that was half-closed before its kernel has forgotten the socket:
 * in Linux that takes a minute after the end of the sending side (tcp_fin_timeout), unless
 * a byte for it comes before. */
static inline void stream_keep_alive(const struct stream *s)
{
    if (s->uv.handle.type == UV_TCP)
        socket_keep_alive(stream_fd(s));
}

/* Of a stream that is not being read: what is there to be read at this moment? A system call. */
static inline enum socket_look stream_look(const struct stream *s)
{
    return s->failure != 0 || s->has_ended ? SOCKET_BROKEN : socket_look(stream_fd(s));
}

/* Of an idle stream: is there a byte or an end to be read? */
static inline bool stream_is_stale(const struct stream *s)
{
    return stream_look(s) != SOCKET_QUIET;
}

/* Is there an end? What was sent before it was read, or never came. */
static inline bool stream_is_at_end(const struct stream *s)
{
    enum socket_look look = stream_look(s);

    return look == SOCKET_END || look == SOCKET_BROKEN;
}

static inline bool stream_has_bytes(const struct stream *s)
{
    return stream_look(s) == SOCKET_BYTES;
}

#endif
