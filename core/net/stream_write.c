/*
 *   stream_add --> net/outbox --> stream_write_now --> sealed, if it is TLS --> the kernel
 *                                                        what it does not take --> queued
 */
#include "net/stream_write.h"

#include "base/mem.h"

struct queued_write { /* what the kernel did not take at once, copied */
    uv_write_t request;
    struct stream *stream;
    size_t length;
    char bytes[];
};

/* --- failures --- */

void stream_report_failure(struct stream *s)
{
    if (!s->has_told)
        loop_defer(s->loop, &s->failed);
}

/* A failure of writing is left to reading to report, while that continues: a peer that answers
 * early and closes leaves its answer there, before the end (RFC 9112, 9.5). */
void stream_fail(struct stream *s, int status)
{
    if (s->is_closing)
        return;
    if (s->failure == 0)
        s->failure = status;
    if (!s->is_reading && (s->has_ended || !s->events->reads_to_the_end))
        stream_report_failure(s);
}

/* --- to the kernel --- */

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

/* What the kernel does not take is copied and queued. */
static void stream_send(struct stream *s, const uv_buf_t *parts, unsigned count, size_t total_bytes)
{
    ssize_t written = 0;

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

/* --- TLS --- */

void stream_send_sealed(struct stream *s)
{
    struct slice sealed = tls_sealed();
    const uv_buf_t whole = {.base = (char *)sealed.start, .len = sealed.length};

    if (sealed.length > 0 && s->failure == 0 && !s->is_closing)
        stream_send(s, &whole, 1, sealed.length);
    tls_sealed_sent();
}

/* While the stream finishes, the last sealed bytes wait for the end. */
static void stream_seal(struct stream *s, const uv_buf_t *parts, size_t total_bytes)
{
    struct tls_parts left = {.part = parts, .left_bytes = total_bytes};

    while (left.left_bytes > 0 && s->failure == 0) {
        if (!tls_seal(s->tls, &left, loop_now_ms(s->loop))) {
            tls_sealed_sent();
            stream_fail(s, UV_EPROTO);
        } else if (left.left_bytes > 0 || !s->is_finishing) {
            stream_send_sealed(s);
        }
    }
}

void stream_say_end(struct stream *s)
{
    if (s->tls == NULL)
        return;
    tls_seal_end(s->tls);
    stream_send_sealed(s);
}

/* --- what others say --- */

/* Past the outbox. */
static void stream_write_now(struct stream *s, const uv_buf_t *parts, unsigned count,
                             size_t total_bytes)
{
    if (total_bytes == 0 || s->is_closing || s->failure != 0)
        return;
    if (s->tls != NULL)
        stream_seal(s, parts, total_bytes);
    else
        stream_send(s, parts, count, total_bytes);
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

static bool may_leave(struct outlet *outlet)
{
    struct stream *s = list_entry(outlet, struct stream, outlet);

    DCHECK(!s->is_closing); /* stream_close has it sent first */
    return s->events->may_leave == NULL || s->events->may_leave(s);
}

const struct outlet_kind stream_outlet_kind = {
    .may_defer = may_defer,
    .may_leave = may_leave,
    .write = on_outlet_writes,
};

/* One packet takes the last bytes and the end: the second one is spared, and the peer is woken
 * once. The end goes out before anything is closed, as unread bytes would turn that into a reset,
 * which loses what is not sent. */
void stream_finish(struct stream *s)
{
    s->is_finishing = true;
    stream_flush(s);
    stream_say_end(s);
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
    stream_say_end(s);
    request = mem_alloc(sizeof *request);
    if (uv_shutdown(request, &s->uv.stream, on_shutdown) != 0)
        mem_free(request);
}
