/*
 *   stream_connect             stream_accept
 *         |                          |
 *      opening ---on_connected---> open
 *         |                          |
 *         '--stream_close, _reset----'--> closing ---on_closed---> closed
 *
 * While it is open each direction has a state of its own:
 *
 *   reading   paused <--stream_read, stream_pause--> is_reading ---end---> has_ended
 *   writing   nothing queued <--a full socket, on_drained--> queued_bytes ---stream_finish--->
 *             has_finished
 *
 * Why it can be written no more, or why reading broke, is in failure; on_end reports it once.
 */
#include "net/stream.h"

#include "base/mem.h"

#include <sys/un.h>

enum {
    PASSED_LEAST = LOOP_READ_BYTES,    /* to pass less is not worth the calls */
    PASSED_FAST = LOOP_READ_BYTES / 4, /* that came at once: the peer still sends fast */
};

struct queued_write { /* what the kernel did not take at once, copied */
    uv_write_t request;
    struct stream *stream;
    size_t length;
    char bytes[];
};

static struct stream *stream_of(const void *handle)
{
    return (struct stream *)((const uv_handle_t *)handle)->data;
}

static void on_failed(struct deferred *d)
{
    struct stream *s = list_entry(d, struct stream, failed);

    CHECK(s->failure != 0 && !s->has_told && !s->is_closing);
    s->has_told = true;
    s->events->on_end(s, s->failure);
}

static void stream_tell_failure(struct stream *s)
{
    if (!s->has_told)
        loop_defer(s->loop, &s->failed);
}

/* The first failure is told, once, and never inside the call that met it. One of
 * writing is left to reading to tell, while that goes on: a peer that answers early
 * and closes leaves its answer there, before the end (RFC 9112, 9.5). */
static void stream_fail(struct stream *s, int status)
{
    if (s->is_closing)
        return;
    if (s->failure == 0)
        s->failure = status;
    if (!s->is_reading && (s->has_ended || !s->events->reads_to_the_end))
        stream_tell_failure(s);
}

static const struct outlet_kind outlet_kind;

static void stream_init(struct stream *s, struct loop *loop, const struct stream_events *events)
{
    s->loop = loop;
    s->events = events;
    deferred_init(&s->failed, on_failed);
    s->queued_bytes = 0;
    s->failure = 0;
    s->is_reading = s->has_ended = s->has_told = s->is_closing = false;
    s->is_finishing = s->has_finished = s->is_fast = false;
    s->outlet = (struct outlet){.is_deferred = false};
    loop->outbox.kind = &outlet_kind;
    s->uv.handle.data = s;
}

void stream_accept(struct stream *s, struct loop *loop, int socket,
                   const struct stream_events *events)
{
    CHECK(uv_tcp_init(&loop->uv, &s->uv.tcp) == 0);
    stream_init(s, loop, events);
    CHECK(uv_tcp_open(&s->uv.tcp, socket) == 0);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct stream *s = stream_of(request->handle);
    struct loop *loop = s->loop;

    mem_free(request);
    if (s->is_closing)
        return;
    DCHECK(s->failure == 0 && !s->is_reading);
    s->failure = status;
    s->events->on_connected(s, status);
    loop_end_event(loop);
}

static int stream_connect_tcp(struct stream *s, const struct sockaddr *to)
{
    uv_connect_t *request = mem_alloc(sizeof *request);
    int status;

    CHECK(uv_tcp_init(&s->loop->uv, &s->uv.tcp) == 0);
    s->uv.handle.data = s;
    uv_tcp_nodelay(&s->uv.tcp, 1);
    status = uv_tcp_connect(request, &s->uv.tcp, to, on_connected);
    if (status != 0)
        mem_free(request);
    return status;
}

static void stream_connect_unix(struct stream *s, const struct sockaddr_un *to)
{
    uv_connect_t *request = mem_alloc(sizeof *request);

    CHECK(uv_pipe_init(&s->loop->uv, &s->uv.pipe, 0) == 0);
    s->uv.handle.data = s;
    uv_pipe_connect(request, &s->uv.pipe, to->sun_path, on_connected);
}

int stream_connect(struct stream *s, struct loop *loop, const struct sockaddr *to,
                   const struct stream_events *events)
{
    stream_init(s, loop, events);
    if (to->sa_family != AF_UNIX)
        return stream_connect_tcp(s, to);
    stream_connect_unix(s, (const struct sockaddr_un *)(const void *)to);
    return 0;
}

/* --- passing: from this socket to that of another stream, through the loop's pipe --- */

static bool stream_takes(const struct stream *to)
{
    return to->uv.handle.type == UV_TCP && to->queued_bytes == 0 && to->failure == 0 &&
           !to->is_closing;
}

/* Is what is there to be read now for stream_pass? Else it is to be read. */
static bool stream_may_pass(struct stream *s)
{
    struct stream *to;

    return s->is_fast && s->events->may_pass != NULL && s->uv.handle.type == UV_TCP &&
           s->events->may_pass(s, &to) >= PASSED_LEAST && stream_takes(to) &&
           splice_open(&s->loop->splice);
}

/* The second way out of the pipe; also if writing has failed, as it must be empty then, too. */
static void stream_write_piped(struct stream *to, size_t length)
{
    struct loop *loop = to->loop;

    while (length > 0) {
        size_t most = length < LOOP_READ_BYTES ? length : LOOP_READ_BYTES;
        uv_buf_t part = uv_buf_init(loop->read_buffer, 0);

        part.len = splice_read(&loop->splice, part.base, most);
        stream_write(to, &part, 1);
        length -= part.len;
    }
}

static void stream_take_piped(struct stream *to, size_t length)
{
    int status = 0;

    stream_flush(to); /* what was added before goes out before */
    if (stream_takes(to))
        status = splice_drain(&to->loop->splice, stream_fd(to), &length);
    if (status != 0)
        stream_fail(to, status);
    stream_write_piped(to, length);
}

/* After a true stream_may_pass. The number of bytes that were written or queued; or, as reading
 * would tell, a negative libuv code: UV_EOF, what broke the connection, or UV_EAGAIN. */
static ssize_t stream_pass(struct stream *s)
{
    struct stream *to;
    uint64_t most = s->events->may_pass(s, &to);
    ssize_t moved = splice_fill(&s->loop->splice, stream_fd(s), most);

    s->is_fast = moved >= PASSED_FAST;
    if (moved > 0)
        stream_take_piped(to, (size_t)moved);
    return moved != 0 ? moved : UV_EOF;
}

/* --- reading --- */

/* How much is read at once, by what memory there is to keep it in. Full: nothing, which waits with
 * the kernel until the loop's on_memory_full has seen to it. */
static unsigned stream_read_room(void)
{
    if (!mem_is_tight())
        return LOOP_READ_BYTES;
    return mem_is_full() ? 0 : LOOP_TIGHT_BYTES;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct stream *s = stream_of(handle);
    unsigned room = stream_may_pass(s) ? 0 : stream_read_room();

    DCHECK(s->is_reading);
    (void)suggested;
    /* Without a buffer libuv reads nothing, and tells at once. */
    *out = uv_buf_init(room > 0 ? s->loop->read_buffer : NULL, room);
}

/* Is an end one? The kernel tells of a reset once: a write may have been told, and reading then
 * finds an end; and libuv takes a hang-up behind the last bytes for an end without asking. If
 * the peer's end came before the reset, the error is a broken pipe, and the end is one. */
static int stream_end_status(const struct stream *s)
{
    int status;

    if (s->failure == UV_ECONNRESET)
        return s->failure;
    status = socket_error(stream_fd(s));
    return status == UV_EPIPE ? 0 : status;
}

static void on_read(uv_stream_t *handle, ssize_t length, const uv_buf_t *buffer)
{
    struct stream *s = stream_of(handle);
    struct loop *loop = s->loop;
    bool passes = length == UV_ENOBUFS && buffer->len == 0; /* on_alloc gave none */
    int status;

    if (length == 0 || s->is_closing || (passes && mem_is_full()))
        return;
    DCHECK(s->is_reading && !s->has_ended);
    if (passes)
        length = stream_pass(s);
    if (length == UV_EAGAIN)
        return;
    if (length > 0 && passes) {
        s->events->on_passed(s, (size_t)length);
    } else if (length > 0) {
        s->is_fast = (size_t)length == buffer->len;
        s->events->on_bytes(s, (struct slice){buffer->base, (size_t)length});
    } else {
        stream_pause(s);
        s->has_ended = true;
        status = length == UV_EOF ? stream_end_status(s) : (int)length;
        if (status == 0)
            s->events->on_end(s, 0);
        else
            stream_fail(s, status);
    }
    loop_end_event(loop);
}

void stream_read(struct stream *s)
{
    int status;

    if (s->is_reading || s->has_ended || s->is_closing)
        return;
    if (s->failure != 0 && !s->events->reads_to_the_end) {
        stream_tell_failure(s);
        return;
    }
    status = uv_read_start(&s->uv.stream, on_alloc, on_read);
    if (status != 0) {
        stream_fail(s, status);
        return;
    }
    s->is_reading = true;
}

void stream_read_first(struct stream *s)
{
    struct loop *loop = s->loop;
    unsigned room = stream_read_room();
    ssize_t length;

    if (s->is_reading || s->has_ended || s->is_closing)
        return;
    if (room == 0) {
        stream_read(s);
        return;
    }
    length = socket_read(stream_fd(s), loop->read_buffer, room);
    if (length > 0)
        s->failure =
            socket_error(stream_fd(s)); /* what a peer has sent that is gone comes before that */
    else if (length < 0 && length != UV_EAGAIN)
        s->failure = (int)length;
    if (length <= 0 || s->failure != 0) {
        stream_read(s);
        return;
    }
    s->events->on_bytes(s, (struct slice){loop->read_buffer, (size_t)length});
    loop_end_event(loop);
}

void stream_pause(struct stream *s)
{
    if (!s->is_reading)
        return;
    s->is_reading = s->is_fast = false;
    uv_read_stop(&s->uv.stream);
}

static void on_written(uv_write_t *request, int status)
{
    struct queued_write *write = request->data;
    struct stream *s = write->stream;

    CHECK(s->queued_bytes >= write->length);
    s->queued_bytes -= (uint32_t)write->length;
    mem_free(write);
    if (s->is_closing)
        return;
    if (status != 0) {
        stream_fail(s, status);
        return;
    }
    if (s->queued_bytes == 0 && s->events->on_drained != NULL) {
        struct loop *loop = s->loop;

        s->events->on_drained(s);
        loop_end_event(loop);
    }
}

/* Queues the parts without their first skip bytes, which have gone out. */
static void stream_queue(struct stream *s, const uv_buf_t *parts, unsigned count, size_t total,
                         size_t skip)
{
    struct queued_write *write = mem_alloc(sizeof *write + total - skip);
    uv_buf_t whole;
    int status;

    write->request.data = write;
    write->stream = s;
    write->length = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t gone = skip < parts[i].len ? skip : parts[i].len;

        memcpy(write->bytes + write->length, parts[i].base + gone, parts[i].len - gone);
        write->length += parts[i].len - gone;
        skip -= gone;
    }
    s->queued_bytes += (uint32_t)write->length;
    whole = uv_buf_init(write->bytes, (unsigned)write->length);
    status = uv_write(&write->request, &s->uv.stream, &whole, 1, on_written);
    if (status != 0) {
        s->queued_bytes -= (uint32_t)write->length;
        mem_free(write);
        stream_fail(s, status);
    }
}

/* Past the outbox; what the kernel does not take is copied and queued. */
static void stream_write_now(struct stream *s, const uv_buf_t *parts, unsigned count,
                             size_t total_bytes)
{
    ssize_t written = 0;

    if (total_bytes == 0 || s->is_closing || s->failure != 0)
        return;
    if (s->queued_bytes == 0) {
        written = socket_send(stream_fd(s), parts, count, total_bytes, s->is_finishing);
        if (written == UV_EAGAIN)
            written = 0;
        if (written < 0) {
            stream_fail(s, (int)written);
            return;
        }
    }
    if ((size_t)written < total_bytes)
        stream_queue(s, parts, count, total_bytes, (size_t)written);
}

void stream_write(struct stream *s, const uv_buf_t *parts, unsigned count)
{
    size_t total_bytes = 0;

    for (unsigned i = 0; i < count; i++)
        total_bytes += parts[i].len;
    stream_flush(s); /* what was added before goes out before */
    stream_write_now(s, parts, count, total_bytes);
}

static bool may_defer(const struct outlet *outlet)
{
    const struct stream *s = list_entry(outlet, struct stream, outlet);

    return !s->is_closing && s->failure == 0 && s->queued_bytes == 0;
}

static void on_outlet_writes(struct outlet *outlet, const uv_buf_t *parts, unsigned count,
                             size_t total_bytes)
{
    stream_write_now(list_entry(outlet, struct stream, outlet), parts, count, total_bytes);
}

static void on_deferred_leaves(struct outlet *outlet, const uv_buf_t *whole)
{
    struct stream *s = list_entry(outlet, struct stream, outlet);

    DCHECK(!s->is_closing); /* stream_close has it sent first */
    if (s->events->may_leave == NULL || s->events->may_leave(s))
        stream_write_now(s, whole, 1, whole->len);
}

static const struct outlet_kind outlet_kind = {
    .may_defer = may_defer,
    .write = on_outlet_writes,
    .write_deferred = on_deferred_leaves,
};

/* One packet takes the last bytes and the end: the second one is spared, and the peer is woken
 * once. The end goes out before anything is closed, as unread bytes would turn that into a reset,
 * which loses what is not sent. */
void stream_finish(struct stream *s)
{
    s->is_finishing = true;
    stream_flush(s);
    s->is_finishing = false;
    if (s->is_closing || s->failure != 0 || s->queued_bytes > 0)
        return;
    s->has_finished = true;
    shutdown(stream_fd(s), SHUT_WR);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)status; /* a peer that is gone is met by reading */
    mem_free(request);
}

void stream_shutdown(struct stream *s)
{
    uv_shutdown_t *request;

    stream_flush(s);
    if (s->is_closing || s->failure != 0 || s->has_finished)
        return;
    request = mem_alloc(sizeof *request);
    if (uv_shutdown(request, &s->uv.stream, on_shutdown) != 0)
        mem_free(request);
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *s = stream_of(handle);

    DCHECK(s->is_closing);
    s->events->on_closed(s);
}

void stream_close(struct stream *s)
{
    if (s->is_closing)
        return;
    outbox_drop(&s->loop->outbox, &s->outlet);
    s->is_closing = true;
    deferred_cancel(&s->failed);
    uv_close(&s->uv.handle, on_closed);
}

void stream_reset(struct stream *s)
{
    /* Not uv_tcp_close_reset: that refuses a connection that was shut, which can be reset, too. */
    if (!s->is_closing)
        socket_lose(stream_fd(s));
    stream_close(s);
}
