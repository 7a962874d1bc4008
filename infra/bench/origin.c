/*
 * origin - the backends of the bench: N listeners in one process, prepared answers, nothing else.
 *
 *   origin N      prints "listening 127.0.0.1:PORT" for each, and serves until it is killed
 *
 * GET /100, /10k and /1m answer with as many bytes; the body of a request is swallowed first. Not a
 * server for anything else: a head has to fit into one buffer, requests are not pipelined, and a
 * body has a Content-Length. What it does not understand ends the connection, which is an error
 * for the load generator.
 */
#include <stdbool.h>

#include "loopback.h"

enum { EVENTS = 256, HEAD_BYTES = 8192, READ_BYTES = 65536, LISTENERS = 16 };

struct answer {
    const char *path;
    size_t body_bytes;
    char *kept, *closing; /* the whole answer, for connections that stay and that do not */
    size_t kept_bytes, closing_bytes;
};

static struct answer answers[] = {
    {.path = "/100 ", .body_bytes = 100},
    {.path = "/10k ", .body_bytes = 10240},
    {.path = "/1m ", .body_bytes = 1048576},
};

struct connection {
    int fd; /* of a listener, too */
    bool is_listener, closing, waits_to_write;
    const char *out; /* what of the answer is not sent yet; borrows */
    size_t out_bytes;
    const struct answer *answer; /* of the request whose body is being swallowed */
    size_t body_left, head_bytes;
    char head[HEAD_BYTES];
};

static int epoll;
static char scratch[READ_BYTES];

static char *prepare(const struct answer *answer, const char *connection, size_t *bytes)
{
    size_t room = answer->body_bytes + 256;
    char *text = malloc(room);
    if (text == NULL)
        loopback_die("malloc");
    int head = snprintf(text, room,
                        "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\n"
                        "Content-Length: %zu\r\n%s\r\n",
                        answer->body_bytes, connection);
    memset(text + head, 'x', answer->body_bytes);
    *bytes = (size_t)head + answer->body_bytes;
    return text;
}

static void connection_close(struct connection *connection)
{
    close(connection->fd);
    free(connection);
}

/* False: it is gone. */
static bool connection_send(struct connection *connection)
{
    while (connection->out_bytes > 0) {
        ssize_t sent = send(connection->fd, connection->out, connection->out_bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            connection_close(connection);
            return false;
        }
        if (sent < 0)
            break;
        connection->out += sent;
        connection->out_bytes -= (size_t)sent;
    }
    bool blocked = connection->out_bytes > 0;
    if (!blocked && connection->closing) {
        connection_close(connection);
        return false;
    }
    if (blocked != connection->waits_to_write) {
        connection->waits_to_write = blocked;
        loopback_watch(epoll, EPOLL_CTL_MOD, connection->fd, blocked ? EPOLLOUT : EPOLLIN,
                       connection);
    }
    return true;
}

static bool connection_answer(struct connection *connection)
{
    const struct answer *answer = connection->answer;
    connection->answer = NULL;
    connection->out = connection->closing ? answer->closing : answer->kept;
    connection->out_bytes = connection->closing ? answer->closing_bytes : answer->kept_bytes;
    return connection_send(connection);
}

/* Takes a whole head apart; false if it is none that this knows. */
static bool read_head(struct connection *connection, size_t head_bytes, size_t body_seen)
{
    char *head = connection->head;
    head[head_bytes - 1] = '\0';
    const char *path = strchr(head, ' ');
    for (size_t i = 0; path != NULL && i < sizeof answers / sizeof *answers; i++)
        if (strncmp(path + 1, answers[i].path, strlen(answers[i].path)) == 0)
            connection->answer = &answers[i];
    const char *length = strcasestr(head, "\r\nContent-Length:");
    size_t body = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    connection->closing = strcasestr(head, "\r\nConnection: close") != NULL;
    connection->head_bytes = 0;
    if (connection->answer == NULL || body_seen > body)
        return false;
    connection->body_left = body - body_seen;
    return true;
}

static void connection_read(struct connection *connection)
{
    bool in_body = connection->answer != NULL;
    char *into = in_body ? scratch : connection->head + connection->head_bytes;
    size_t room = in_body ? READ_BYTES : HEAD_BYTES - connection->head_bytes;
    ssize_t got = recv(connection->fd, into, room, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || (in_body && (size_t)got > connection->body_left)) {
        connection_close(connection);
        return;
    }
    if (in_body) {
        connection->body_left -= (size_t)got;
    } else {
        connection->head_bytes += (size_t)got;
        char *end = memmem(connection->head, connection->head_bytes, "\r\n\r\n", 4);
        if (end == NULL && connection->head_bytes < HEAD_BYTES)
            return;
        size_t head = end != NULL ? (size_t)(end + 4 - connection->head) : 0;
        if (head == 0 || !read_head(connection, head, connection->head_bytes - head)) {
            connection_close(connection);
            return;
        }
    }
    if (connection->body_left == 0)
        connection_answer(connection);
}

static void connection_new(int fd, bool is_listener)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        loopback_die("calloc");
    connection->fd = fd;
    connection->is_listener = is_listener;
    loopback_watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, connection);
}

int main(int count, char **arguments)
{
    long listeners = count == 2 ? strtol(arguments[1], NULL, 10) : 0;
    if (listeners < 1 || listeners > LISTENERS) {
        fprintf(stderr, "usage: origin N, with N from 1 to %d\n", LISTENERS);
        return 2;
    }
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        answers[i].kept = prepare(&answers[i], "", &answers[i].kept_bytes);
        answers[i].closing =
            prepare(&answers[i], "Connection: close\r\n", &answers[i].closing_bytes);
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < listeners; i++)
        connection_new(loopback_listen(), true);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            int fd;
            if (connection->is_listener)
                while ((fd = loopback_accept(connection->fd)) >= 0)
                    connection_new(fd, false);
            else if (connection->waits_to_write)
                connection_send(connection);
            else
                connection_read(connection);
        }
    }
}
