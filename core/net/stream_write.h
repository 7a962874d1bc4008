/*
 * stream_write - bytes out of a stream.
 *
 * For net/stream; the others get it with net/stream.h. Over TLS bytes that are added, deferred and
 * held are plain: they are sealed when they go out, by the same system call. Bytes that the kernel
 * does not take are queued sealed.
 */
#ifndef NET_STREAM_WRITE_H
#define NET_STREAM_WRITE_H

#include "base/slice.h"
#include "net/socket.h"
#include "net/stream_inside.h"

enum { STREAM_COPY_MAX = OUTBOX_COPY_MAX };

/* Borrows the bytes for the call. on_end reports a failure. */
void stream_write(struct stream *, const uv_buf_t *parts, unsigned count);
/* What was added goes out, and the peer sees the end behind it. No more writes. If the kernel does
 * not take all at once it is no more than stream_flush: stream_shutdown waits for the rest. */
void stream_finish(struct stream *);
void stream_shutdown(struct stream *); /* no more writes; the peer sees the end after the queue */

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

/* Will others than who writes now write in the same turn? Then more of it waits for them. */
static inline void stream_share(struct stream *s, bool is_shared)
{
    s->outlet.is_shared = is_shared;
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

/* --- for net/stream --- */

extern const struct outlet_kind stream_outlet_kind;

/* The first failure is reported, once, and never inside the call that met it. */
void stream_fail(struct stream *, int status);
void stream_report_failure(struct stream *);
void stream_send_sealed(struct stream *); /* the bytes that its TLS has sealed */
/* Over TLS: sends close_notify if possible, so that the close that follows cuts nothing. */
void stream_say_end(struct stream *);

#endif
