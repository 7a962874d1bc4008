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

#include <netinet/in.h>

enum { STREAM_COPY_MAX = 32 };

struct stream_events {
    void (*on_connected)(struct stream *, int status); /* 0, or a negative libuv code */
    void (*on_bytes)(struct stream *, struct slice);
    void (*on_end)(struct stream *, int status); /* 0: the peer will send no more; else it broke */
    void (*on_drained)(struct stream *); /* the queue is empty; NULL if nobody waits for it */
    void (*on_closed)(struct stream *);
    /* How many of the next bytes nobody has to look at, and the stream that is to have them; and
     * so many went there. NULL: all are looked at. */
    uint64_t (*may_pass)(struct stream *, struct stream **to);
    void (*on_passed)(struct stream *, size_t length);
    /* Of what was kept until now (stream_send_soon): may it still go out? Else it is dropped, and
     * the owner knows. NULL: always. */
    bool (*may_leave)(struct stream *);
    bool reads_to_the_end; /* a write that failed is told after what is still to be read */
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
    struct deferred failed; /* a write that failed at once is told at the end of the turn */
    uint32_t queued_bytes;
    int failure; /* 0, or why it can be written no more */
    bool is_reading, has_ended, has_told, is_closing;
    bool is_finishing, has_finished, is_held;
    bool is_fast; /* more came at once than was read */
};

/* Takes a socket that was accepted. */
void stream_accept(struct stream *, struct loop *, int socket, const struct stream_events *);
/* Begins to connect; on_connected tells. 0, or a negative libuv code that says
 * why it could not even begin; then the stream must still be closed. */
int stream_connect(struct stream *, struct loop *, const struct sockaddr *,
                   const struct stream_events *) MUST_USE;
void stream_read(struct stream *); /* on_bytes and on_end come from now on */
/* Of a stream that was never read, from a deferred event or one of its own: if bytes are there, and
 * the peer has not reset, one event brings them before this returns, and only stream_read makes the
 * loop watch the socket; else it does that itself. What ends soon need never be watched. */
void stream_read_first(struct stream *);
/* Until stream_read; what the peer sends waits with the kernel. */
void stream_pause(struct stream *);
/* Borrows the bytes for the call. A failure is told through on_end. */
void stream_write(struct stream *, const uv_buf_t *parts, unsigned count);
/* The same, together with what else is added before the running event is over:
 * one system call for all. Borrows the bytes until then, or until stream_flush. */
void stream_add(struct stream *, struct slice);
/* Memory for what is added next: it lasts as long as stream_add borrows that. */
struct arena *stream_room(struct loop *);
void stream_add_copy(struct stream *,
                     struct slice); /* the same for at most STREAM_COPY_MAX bytes, copied */
void stream_flush(struct stream *);
/* Like stream_flush, but a little goes out before the loop waits, with that of other streams: peers
 * that are woken by several writes in a row are woken once. It is not borrowed any more. */
void stream_send_soon(struct stream *);
void stream_flush_gathered(struct loop *); /* for net/: an event is over; sends soon */
void stream_write_held(struct loop *);     /* for net/loop.c: what goes out soon goes out now */
/* What was added goes out, and the peer sees the end behind it. No more writes. If the kernel does
 * not take all at once it is no more than stream_flush: stream_shutdown waits for the rest. */
void stream_finish(struct stream *);
void stream_shutdown(struct stream *); /* no more writes; the peer sees the end after the queue */
void stream_reset(struct stream *); /* like stream_close, but the peer sees a reset, not an end */
void stream_close(struct stream *); /* what is queued is lost; twice is fine */

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
uint32_t stream_unsent(const struct stream *);
/* Of a stream that is not being read, so that no event tells: has the connection been reset, or
 * given up by the kernel (stream_keep_alive)? An end in peace is neither. A system call. */
bool stream_is_dead(const struct stream *);
/* From now on the kernel asks the peer every few seconds whether it still knows this connection,
 * and gives up one that it does not know or that nobody answers. The owner of a socket that was
 * closed cannot be told from one that was half-closed before its kernel has forgotten the socket:
 * in Linux that takes a minute after the end of the sending side (tcp_fin_timeout), unless
 * a byte for it comes before. */
void stream_keep_alive(struct stream *);
/* Of an idle stream: is there a byte or an end to be read this moment? One system call. */
bool stream_is_stale(const struct stream *);
/* The same, but only an end: what was sent before it was read, or never came. */
bool stream_is_at_end(const struct stream *);
/* The same, but only a byte. */
bool stream_has_bytes(const struct stream *);

#endif
