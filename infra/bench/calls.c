/*
 * calls - the gRPC backends of the bench: N listeners in one process, HTTP/2 without TLS, one
 * prepared answer.
 *
 *   calls N      prints "listening 127.0.0.1:PORT" for each, and serves until it is killed
 *
 * Each request, whatever it says, is answered when it is whole: a head, one message of 100 bytes,
 * and trailers. Not a server for anything else: heads are not read, each has to fit into its frame,
 * and windows are not looked at, as what is on its way of so small answers never fills one. What it
 * does not understand ends the connection, which is an error for the load generator.
 */
#include <stdbool.h>
#include <stddef.h>

#include "loopback.h"

enum {
    EVENTS = 256,
    LISTENERS = 16,
    IN_BYTES = 65536,
    OUT_BYTES = 16 * IN_BYTES, /* an answer is at most fifteen times as long as a request */
    FRAME_HEAD = 9,
    PREFACE_BYTES = 24,
    MESSAGE_BYTES = 100,
    CREDIT_BYTES = 16384, /* are given back at once */
};

enum frame_type { DATA, HEADERS, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

struct connection {
    int fd; /* of a listener, too */
    bool is_listener, has_preface, has_table, has_answered, waits_to_write;
    uint32_t owed; /* bytes of DATA without credit */
    size_t in_bytes, out_bytes, out_sent;
    char in[IN_BYTES], out[OUT_BYTES];
};

static int epoll;

/* --- out --- */

static void put(struct connection *c, const void *bytes, size_t length)
{
    memcpy(c->out + c->out_bytes, bytes, length);
    c->out_bytes += length;
}

static void put_frame(struct connection *c, enum frame_type type, int flags, uint32_t stream,
                      const void *payload, size_t length)
{
    const unsigned char head[FRAME_HEAD] = {
        (unsigned char)(length >> 16), (unsigned char)(length >> 8), (unsigned char)length,
        (unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
        (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream,
    };
    put(c, head, sizeof head);
    put(c, payload, length);
}

struct block {
    const char *bytes;
    size_t length;
};

#define BLOCK(text) .bytes = text, .length = sizeof text - 1
#define CONTENT_TYPE                                                                               \
    "\x10"                                                                                         \
    "application/grpc"
#define GRPC_STATUS                                                                                \
    "\x0b"                                                                                         \
    "grpc-status\x01"                                                                              \
    "0"

/* :status 200 and content-type, then grpc-status. To a peer with a table both enter it with the
 * first answer; one without a table hears in the first block that we know. */
static void put_answer(struct connection *c, uint32_t stream)
{
    static const struct block heads[2][2] = {
        {{BLOCK("\x20\x88\x0f\x10" CONTENT_TYPE)}, {BLOCK("\x88\x0f\x10" CONTENT_TYPE)}},
        {{BLOCK("\x88\x5f" CONTENT_TYPE)}, {BLOCK("\x88\xbf")}}};
    static const struct block ends[2][2] = {
        {{BLOCK("\x00" GRPC_STATUS)}, {BLOCK("\x00" GRPC_STATUS)}},
        {{BLOCK("\x40" GRPC_STATUS)}, {BLOCK("\xbe")}}};
    static const char message[MESSAGE_BYTES] = {0, 0, 0, 0, MESSAGE_BYTES - 5};
    const struct block *head = &heads[c->has_table][c->has_answered];
    const struct block *end = &ends[c->has_table][c->has_answered];

    put_frame(c, HEADERS, END_HEADERS, stream, head->bytes, head->length);
    put_frame(c, DATA, 0, stream, message, sizeof message);
    put_frame(c, HEADERS, END_HEADERS | END_STREAM, stream, end->bytes, end->length);
    c->has_answered = true;
}

static void put_credit(struct connection *c)
{
    const unsigned char credit[4] = {0, (unsigned char)(c->owed >> 16),
                                     (unsigned char)(c->owed >> 8), (unsigned char)c->owed};

    if (c->owed < CREDIT_BYTES)
        return;
    put_frame(c, WINDOW_UPDATE, 0, 0, credit, sizeof credit);
    c->owed = 0;
}

/* --- in --- */

/* Does the peer keep a table as large as it is at first? */
static void take_settings(struct connection *c, const unsigned char *at, size_t length)
{
    for (; length >= 6; at += 6, length -= 6)
        if (at[0] == 0 && at[1] == 1 && at[2] == 0 && at[3] == 0 && at[4] < 16)
            c->has_table = false;
    put_frame(c, SETTINGS, ACK, 0, "", 0);
}

static bool take_frame(struct connection *c, const unsigned char *head, size_t length)
{
    int type = head[3], flags = head[4];
    uint32_t stream = (uint32_t)(head[5] & 0x7f) << 24 | (uint32_t)head[6] << 16 |
                      (uint32_t)head[7] << 8 | head[8];

    if (type == CONTINUATION || (type == HEADERS && (flags & END_HEADERS) == 0))
        return false;
    if (type == SETTINGS && (flags & ACK) == 0)
        take_settings(c, head + FRAME_HEAD, length);
    if (type == PING && (flags & ACK) == 0)
        put_frame(c, PING, ACK, 0, head + FRAME_HEAD, length);
    if (type == DATA)
        c->owed += (uint32_t)length;
    if (type <= HEADERS && (flags & END_STREAM) != 0)
        put_answer(c, stream);
    return true;
}

/* False: not HTTP/2 as it is known here. */
static bool take_all(struct connection *c)
{
    const unsigned char *at = (const unsigned char *)c->in, *end = at + c->in_bytes;

    if (!c->has_preface) {
        if (c->in_bytes < PREFACE_BYTES)
            return true;
        if (memcmp(at, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PREFACE_BYTES) != 0)
            return false;
        at += PREFACE_BYTES;
        c->has_preface = true;
        put_frame(c, SETTINGS, 0, 0, "", 0);
    }
    while (end - at >= FRAME_HEAD) {
        size_t length = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        if (length > IN_BYTES / 2)
            return false;
        if ((size_t)(end - at) < FRAME_HEAD + length)
            break;
        if (!take_frame(c, at, length))
            return false;
        at += FRAME_HEAD + length;
    }
    put_credit(c);
    c->in_bytes = (size_t)(end - at);
    memmove(c->in, at, c->in_bytes);
    return true;
}

/* --- connections --- */

static void connection_close(struct connection *c)
{
    close(c->fd);
    free(c);
}

static void connection_send(struct connection *c)
{
    while (c->out_sent < c->out_bytes) {
        ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_bytes - c->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            connection_close(c);
            return;
        }
        if (sent < 0)
            break;
        c->out_sent += (size_t)sent;
    }
    bool blocked = c->out_sent < c->out_bytes;
    if (!blocked)
        c->out_sent = c->out_bytes = 0;
    if (blocked != c->waits_to_write) {
        c->waits_to_write = blocked;
        loopback_watch(epoll, EPOLL_CTL_MOD, c->fd, blocked ? EPOLLOUT : EPOLLIN, c);
    }
}

static void connection_read(struct connection *c)
{
    ssize_t got = recv(c->fd, c->in + c->in_bytes, IN_BYTES - c->in_bytes, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    c->in_bytes += got > 0 ? (size_t)got : 0;
    if (got <= 0 || !take_all(c))
        connection_close(c);
    else
        connection_send(c);
}

static void connection_new(int fd, bool is_listener)
{
    struct connection *c = malloc(sizeof *c);
    if (c == NULL)
        loopback_die("malloc");
    memset(c, 0, offsetof(struct connection, in));
    c->fd = fd;
    c->is_listener = is_listener;
    c->has_table = true;
    loopback_watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, c);
}

int main(int count, char **arguments)
{
    long listeners = count == 2 ? strtol(arguments[1], NULL, 10) : 0;
    if (listeners < 1 || listeners > LISTENERS) {
        fprintf(stderr, "usage: calls N, with N from 1 to %d\n", LISTENERS);
        return 2;
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < listeners; i++)
        connection_new(loopback_listen(), true);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            int fd;
            if (c->is_listener)
                while ((fd = loopback_accept(c->fd)) >= 0)
                    connection_new(fd, false);
            else if (c->waits_to_write)
                connection_send(c);
            else
                connection_read(c);
        }
    }
}
