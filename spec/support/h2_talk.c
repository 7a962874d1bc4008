/*
 * h2_talk - one wire/h2 over one end of a pair of sockets, for specs that play its peer and its
 * owner. What it reports is collected as text, what it sends is read from the other end.
 */
#include "wire/h2_inside.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAMS = 256 };

struct stream_of_owner {
    struct h2_stream stream;
    char *guard; /* freed when the stream is released: ASan sees who still uses it */
};

static struct loop loop;
static struct stream stream;
static struct h2 h2;
static struct h2_kind kind;
static struct buffer report;
static struct stream_of_owner *streams[STREAMS];
static int peer_fd = -1;
static bool has_loop, is_closed, echoes, consumes, refuses;

static int number_of(const struct h2_stream *s)
{
    for (int i = 0; i < STREAMS; i++)
        if (streams[i] != NULL && &streams[i]->stream == s)
            return i;
    return -1;
}

static struct h2_stream *new_stream(void)
{
    for (int i = 0; i < STREAMS; i++)
        if (streams[i] == NULL) {
            streams[i] = mem_zalloc(sizeof *streams[i]);
            return &streams[i]->stream;
        }
    return NULL;
}

void talk_release(int i)
{
    h2_stream_release(&streams[i]->stream);
    mem_free(streams[i]);
    streams[i] = NULL;
}

static void answer(struct h2_stream *s)
{
    int i = number_of(s);

    h2_send_head(s, SLICE("HTTP/1.1 200 OK\r\nServer: x\r\nConnection: close\r\n\r\n"), SLICE(""),
                 false);
    h2_send_body(s, SLICE("hello"));
    h2_send_end(s, s->id % 3 == 0 ? SLICE("X-Sum: 1\r\n") : SLICE(""));
    talk_release(i);
}

static struct h2_stream *on_open(struct h2 *h)
{
    (void)h;
    return refuses ? NULL : new_stream();
}

static void put_lines(struct slice lines)
{
    for (size_t i = 0; i < lines.length; i++)
        if (lines.start[i] == '\n')
            buffer_append_text(&report, "|");
        else if (lines.start[i] != '\r')
            buffer_append_byte(&report, lines.start[i]);
}

static void on_head(struct h2_stream *s, const struct h2_head *head)
{
    buffer_printf(&report, "head %u ", s->id);
    put_lines(head->lines);
    if (head->scheme.length > 0)
        buffer_printf(&report, " %.*s", (int)head->scheme.length, head->scheme.start);
    if (head->protocol.length > 0)
        buffer_printf(&report, " protocol=%.*s", (int)head->protocol.length, head->protocol.start);
    if (head->has_length)
        buffer_printf(&report, " length=%lu", (unsigned long)head->length);
    buffer_append_text(&report, head->is_large ? " large" : "");
    buffer_append_text(&report, head->is_end ? " end\n" : "\n");
    if (echoes && head->is_end)
        answer(s);
}

/* Bytes that would end the line, or the text, are dots. */
static void put_body(unsigned id, struct slice bytes)
{
    buffer_printf(&report, "body %u ", id);
    for (size_t i = 0; i < bytes.length; i++)
        buffer_append_byte(&report, (unsigned char)bytes.start[i] < ' ' ? '.' : bytes.start[i]);
    buffer_append_text(&report, "\n");
}

static void on_body(struct h2_stream *s, struct slice bytes)
{
    if (!echoes)
        put_body(s->id, bytes);
    if (consumes)
        h2_consumed(s, bytes.length);
}

static void on_end(struct h2_stream *s, const struct h2_head *trailers)
{
    buffer_printf(&report, "end %u", s->id);
    if (trailers != NULL) {
        buffer_append_text(&report, " ");
        put_lines(trailers->lines);
    }
    buffer_append_text(&report, "\n");
    if (echoes)
        answer(s);
}

static void on_reset(struct h2_stream *s, const struct h2_reset *reset)
{
    static const char *const causes[] = {"peer", "rule", "goaway", "connection"};

    buffer_printf(&report, "reset %u %s %s: %s\n", s->id, causes[reset->cause],
                  h2_code_name(reset->code), reset->why);
    talk_release(number_of(s));
}

static void on_drained(struct h2_stream *s)
{
    buffer_printf(&report, "drained %u\n", s->id);
}

static void on_goaway(struct h2 *h, enum h2_code code)
{
    (void)h;
    buffer_printf(&report, "goaway %s\n", h2_code_name(code));
}

static void on_settings(struct h2 *h)
{
    (void)h;
    buffer_append_text(&report, "settings\n");
}

static void on_pong(struct h2 *h)
{
    (void)h;
    buffer_append_text(&report, "pong\n");
}

static void on_final(struct h2 *h)
{
    (void)h;
    buffer_append_text(&report, "final\n");
}

static void on_broken(struct h2 *h, enum h2_code code, const char *why)
{
    (void)h;
    buffer_printf(&report, "broken %s: %s\n", h2_code_name(code), why);
}

static const struct h2_events events = {
    .on_open = on_open,
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
    .on_reset = on_reset,
    .on_drained = on_drained,
    .on_goaway = on_goaway,
    .on_settings = on_settings,
    .on_pong = on_pong,
    .on_final = on_final,
    .on_broken = on_broken,
};

static void on_stream_bytes(struct stream *s, struct slice bytes)
{
    (void)s;
    h2_feed(&h2, bytes);
}

static void on_stream_end(struct stream *s, int status)
{
    (void)s;
    (void)status;
    h2_lose(&h2, "the socket");
}

static void on_stream_drained(struct stream *s)
{
    (void)s;
    h2_drained(&h2);
}

static void on_stream_closed(struct stream *s)
{
    (void)s;
    is_closed = true;
    h2_dispose(&h2);
}

static const struct stream_events stream_events = {
    .on_bytes = on_stream_bytes,
    .on_end = on_stream_end,
    .on_drained = on_stream_drained,
    .on_closed = on_stream_closed,
};

/* --- for the spec --- */

void talk_end(void);

void talk_begin(bool is_client, unsigned streams_max, unsigned stream_window,
                unsigned connection_window, unsigned head_max, bool offers_connect, bool acts,
                bool takes, int send_buffer)
{
    int pair[2];

    talk_end();
    if (!has_loop)
        loop_init(&loop);
    has_loop = true;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    if (send_buffer > 0)
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    peer_fd = pair[1];
    is_closed = refuses = false;
    echoes = acts;
    consumes = takes;
    buffer_clear(&report);
    kind = (struct h2_kind){.events = &events,
                            .role = is_client ? H2_CLIENT : H2_SERVER,
                            .streams = streams_max,
                            .stream_window = stream_window,
                            .stream_window_top = 4 * stream_window,
                            .connection_window = connection_window,
                            .offers_connect = offers_connect};
    stream_accept(&stream, &loop, pair[0], &stream_events);
    h2_begin(&h2, &stream, &kind, NULL, head_max);
    loop_end_event(&loop);
}

void talk_end(void)
{
    if (peer_fd < 0)
        return;
    h2_lose(&h2, "the spec ends");
    for (int i = 0; i < STREAMS; i++)
        if (streams[i] != NULL)
            talk_release(i);
    stream_close(&stream);
    while (!is_closed)
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    close(peer_fd);
    peer_fd = -1;
}

void talk_feed(const char *bytes, size_t length)
{
    char *copy = mem_copy(bytes, length); /* just so long: ASan sees who reads on */

    h2_feed(&h2, (struct slice){copy, length});
    loop_end_event(&loop);
    mem_free(copy);
}

/* Lets what was deferred or queued go. */
void talk_turn(void)
{
    outbox_send_all_deferred(&loop.outbox);
    uv_run(&loop.uv, UV_RUN_NOWAIT);
    outbox_send_all_deferred(&loop.outbox);
}

size_t talk_read(char *out, size_t most)
{
    ssize_t length = read(peer_fd, out, most);

    return length > 0 ? (size_t)length : 0;
}

const char *talk_report(void)
{
    static char *text;

    mem_free(text);
    text = mem_copy(buffer_slice(&report).start, buffer_length(&report));
    buffer_clear(&report);
    return text;
}

static struct h2_stream *find(unsigned id)
{
    for (int i = 0; i < STREAMS; i++)
        if (streams[i] != NULL && streams[i]->stream.id == id)
            return &streams[i]->stream;
    return NULL;
}

bool talk_has(unsigned id)
{
    return find(id) != NULL;
}

unsigned talk_open(const char *lines, bool is_end)
{
    struct h2_stream *s = new_stream();

    h2_open_stream(&h2, s);
    h2_send_head(s, slice_of(lines), SLICE("https"), is_end);
    loop_end_event(&loop);
    return s->id;
}

void talk_connect(const char *lines)
{
    struct h2_stream *s = new_stream();

    h2_open_stream(&h2, s);
    h2_send_connect(s, slice_of(lines), SLICE("https"));
    loop_end_event(&loop);
}

bool talk_may_open(unsigned first)
{
    return h2_may_open(&h2, first);
}

void talk_head(unsigned id, const char *lines, bool is_end)
{
    h2_send_head(find(id), slice_of(lines), SLICE(""), is_end);
    loop_end_event(&loop);
}

void talk_body(unsigned id, const char *bytes, size_t length)
{
    h2_send_body(find(id), (struct slice){bytes, length});
    loop_end_event(&loop);
}

void talk_end_body(unsigned id, const char *trailers)
{
    h2_send_end(find(id), slice_of(trailers));
    loop_end_event(&loop);
}

size_t talk_backlog(unsigned id)
{
    return h2_backlog(find(id));
}

void talk_consumed(unsigned id, size_t bytes)
{
    h2_consumed(find(id), bytes);
    loop_end_event(&loop);
}

void talk_reset(unsigned id, unsigned code)
{
    h2_reset(find(id), (enum h2_code)code);
    loop_end_event(&loop);
}

void talk_release_id(unsigned id)
{
    talk_release(number_of(find(id)));
    loop_end_event(&loop);
}

void talk_drain(void)
{
    h2_drain(&h2);
    loop_end_event(&loop);
}

void talk_ping(void)
{
    h2_ping(&h2);
    loop_end_event(&loop);
}

void talk_refuse(bool does)
{
    refuses = does;
}

unsigned talk_open_streams(void)
{
    return h2.open_streams;
}

bool talk_is_paused(void)
{
    return h2.is_paused;
}

bool talk_is_alive(void)
{
    return h2_is_alive(&h2);
}

int talk_window(void)
{
    return h2.receive_window + (int)h2.credit;
}

/* All streams have been there for so much longer. */
void talk_age(unsigned ms)
{
    for (int i = 0; i < STREAMS; i++)
        if (streams[i] != NULL)
            streams[i]->stream.began_ms -= ms;
}

void talk_move_time(unsigned seconds)
{
    h2.refilled_s -= seconds;
}
