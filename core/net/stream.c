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
#include "net/stream_tls.h"
#include "net/tls_move.h"

#include <sys/un.h>

enum {
    PASSED_LEAST = LOOP_READ_BYTES,    /* to pass less is not worth the calls */
    PASSED_FAST = LOOP_READ_BYTES / 4, /* that came at once: the peer still sends fast */
};

static struct stream *stream_of(const void *handle)
{
    return (struct stream *)((const uv_handle_t *)handle)->data;
}

static void on_failed(struct deferred *d)
{
    struct stream *s = list_entry(d, struct stream, failed);
    bool pauses = stream_has_kept(s) && (!s->wants_kept || !stream_report_kept(s));

    CHECK(!s->has_told);
    if (s->is_closing || stream_has_kept(s))
        return;
    if (s->failure != 0)
        s->has_told = true;
    else if (s->tls->end_waits && !pauses)
        s->tls->end_waits = false;
    else
        return; /* there was nothing but what was kept */
    stream_report_end(s, s->failure);
}

static void stream_init(struct stream *s, struct loop *loop, const struct stream_events *events)
{
    s->loop = loop;
    s->events = events;
    s->tls = NULL;
    deferred_init(&s->failed, on_failed);
    s->queued_bytes = 0;
    s->failure = 0;
    s->is_reading = s->has_ended = s->has_told = s->is_closing = false;
    s->is_finishing = s->has_finished = s->is_fast = s->wants_kept = false;
    s->outlet = (struct outlet){.deferred_at = 0};
    loop->outbox.kind = &stream_outlet_kind;
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
    return to->uv.handle.type == UV_TCP && to->tls == NULL && to->queued_bytes == 0 &&
           to->failure == 0 && !to->is_closing;
}

/* Is what is there to be read now for stream_pass? Else it is to be read. */
static bool stream_may_pass(struct stream *s)
{
    struct stream *to;

    return s->is_fast && s->events->may_pass != NULL && s->uv.handle.type == UV_TCP &&
           s->tls == NULL && s->events->may_pass(s, &to) >= PASSED_LEAST && stream_takes(to) &&
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

/* After a true stream_may_pass. The number of bytes that were written or queued; or, as a read
 * gives it, a negative libuv code: UV_EOF, the connection's error, or UV_EAGAIN. */
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

/* --- TLS --- */

void stream_secure(struct stream *s, struct tls_server *server, struct slice read)
{
    CHECK(s->tls == NULL);
    s->tls = tls_handshake_new(server, s, stream_on_turn, read);
}

bool stream_arrive_secure(struct stream *s, struct tls_server *server, struct slice *moved)
{
    CHECK(s->tls == NULL);
    s->tls = tls_move_in(server, s, stream_on_turn, moved);
    return s->tls != NULL;
}

void stream_secure_to(struct stream *s, struct tls_target *target)
{
    CHECK(s->tls == NULL);
    s->tls = tls_connect_new(target, s->loop, s, stream_on_turn);
    stream_read(s);
}

static inline void stream_take(struct stream *s, struct slice bytes)
{
    if (s->tls == NULL)
        s->events->on_bytes(s, bytes);
    else
        stream_take_sealed(s, bytes);
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
    /* Without a buffer libuv reads nothing, and reports that at once. */
    *out = uv_buf_init(room > 0 ? s->loop->read_buffer : NULL, room);
}

/* Is an end a true end, or a reset? The kernel reports a reset once: if a write got it, a read then
 * finds an end. And libuv takes a hang-up behind the last bytes for an end without asking. If the
 * peer's end came before the reset, the error is a broken pipe, and the end is true. */
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
        stream_take(s, (struct slice){buffer->base, (size_t)length});
    } else {
        stream_pause(s);
        s->has_ended = true;
        status = length == UV_EOF ? stream_end_status(s) : (int)length;
        if (status == 0)
            stream_report_end(s, s->tls == NULL ? 0 : STREAM_CUT);
        else
            stream_fail(s, status);
    }
    loop_end_event(loop);
}

void stream_read(struct stream *s)
{
    int status;

    if (s->is_reading || s->is_closing)
        return;
    if (stream_has_kept(s)) {
        s->wants_kept = true;
        loop_defer(s->loop, &s->failed);
    }
    if (s->has_ended) {
        if (s->tls != NULL && s->tls->end_waits && s->failure == 0)
            loop_defer(s->loop, &s->failed);
        return;
    }
    if (s->failure != 0 && !s->events->reads_to_the_end) {
        stream_report_failure(s);
        return;
    }
    status = uv_read_start(&s->uv.stream, on_alloc, on_read);
    if (status != 0) {
        stream_fail(s, status);
        return;
    }
    s->is_reading = true;
}

void stream_hold(struct stream *s)
{
    if (s->is_reading)
        uv_read_stop(&s->uv.stream);
}

void stream_go_on(struct stream *s)
{
    int status =
        s->is_reading && !s->is_closing ? uv_read_start(&s->uv.stream, on_alloc, on_read) : 0;

    if (status != 0 && status != UV_EALREADY)
        stream_fail(s, status);
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
    stream_take(s, (struct slice){loop->read_buffer, (size_t)length});
    loop_end_event(loop);
}

/* --- the end --- */

static void on_closed(uv_handle_t *handle)
{
    struct stream *s = stream_of(handle);
    struct tls *tls = s->tls;

    DCHECK(s->is_closing);
    s->events->on_closed(s); /* its owner may ask for the last time */
    tls_handshake_free(tls);
}

static void stream_close_now(struct stream *s)
{
    s->is_closing = true;
    deferred_cancel(&s->failed);
    if (s->tls != NULL)
        tls_handshake_stop(s->tls);
    uv_close(&s->uv.handle, on_closed);
}

void stream_close(struct stream *s)
{
    if (s->is_closing)
        return;
    outbox_drop(&s->loop->outbox, &s->outlet);
    if (s->queued_bytes == 0) /* else something is missing before it */
        stream_say_end(s);
    stream_close_now(s);
}

void stream_reset(struct stream *s)
{
    if (s->is_closing)
        return;
    outbox_drop(&s->loop->outbox, &s->outlet);
    /* Not uv_tcp_close_reset: that refuses a connection that was shut, which can be reset, too. */
    socket_lose(stream_fd(s));
    stream_close_now(s);
}
