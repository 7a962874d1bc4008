/*
 * relay - the least that a proxy in user space can do: bytes from one socket to another and back.
 *
 *   relay ADDRESS...     prints "listening 127.0.0.1:PORT"; each client gets a connection of its
 *                        own to one of these, in turn
 *
 * A small request costs four socket calls (recv, send, recv, send) and a share of epoll_wait. It
 * parses nothing and pools nothing, so it is no proxy for HTTP: the line to compare with.
 */
#include <stdbool.h>

#include "loopback.h"

enum { EVENTS = 256, BUFFER_BYTES = 65536 };

struct side { /* one of the two sockets of a pair, in the pair's own memory */
    int fd;
    struct side *other;
    struct pair *pair; /* NULL: the listener */
    char *rest;        /* what this socket did not take at once, or NULL; owns */
    size_t rest_at, rest_bytes;
    uint32_t events;
    bool ended; /* nothing more comes from it */
};

struct pair {
    struct side client, backend;
    struct pair *next_closed;
    bool is_closed;
};

static int epoll;
static char buffer[BUFFER_BYTES];
static struct pair *closed; /* an event of the same round may still point at these */

static void pair_close(struct pair *pair)
{
    if (pair->is_closed)
        return;
    pair->is_closed = true;
    close(pair->client.fd);
    close(pair->backend.fd);
    free(pair->client.rest);
    free(pair->backend.rest);
    pair->next_closed = closed;
    closed = pair;
}

static void side_watch(struct side *side)
{
    bool reads = !side->ended && side->other->rest == NULL;
    uint32_t events = (reads ? (uint32_t)EPOLLIN : 0) | (side->rest ? (uint32_t)EPOLLOUT : 0);
    if (events == side->events)
        return;
    side->events = events;
    loopback_watch(epoll, EPOLL_CTL_MOD, side->fd, events, side);
}

/* Ends the direction towards this side, once all of it was sent. */
static void side_finish(struct side *side)
{
    if (side->ended)
        pair_close(side->pair);
    else
        shutdown(side->fd, SHUT_WR);
}

static void side_read(struct side *from)
{
    struct side *to = from->other;
    ssize_t got = recv(from->fd, buffer, sizeof buffer, 0);
    if (got < 0) {
        if (errno != EAGAIN)
            pair_close(from->pair);
        return;
    }
    if (got == 0) {
        from->ended = true;
        side_watch(from);
        side_finish(to);
        return;
    }
    ssize_t sent = send(to->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent == got)
        return;
    if (sent < 0 && errno != EAGAIN) {
        pair_close(from->pair);
        return;
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    to->rest_bytes = (size_t)got - taken;
    to->rest_at = 0;
    to->rest = malloc(to->rest_bytes);
    if (to->rest == NULL)
        loopback_die("malloc");
    memcpy(to->rest, buffer + taken, to->rest_bytes);
    side_watch(from);
    side_watch(to);
}

static void side_write(struct side *to)
{
    size_t left = to->rest_bytes - to->rest_at;
    ssize_t sent = send(to->fd, to->rest + to->rest_at, left, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            pair_close(to->pair);
        return;
    }
    to->rest_at += (size_t)sent;
    if (to->rest_at < to->rest_bytes)
        return;
    free(to->rest);
    to->rest = NULL;
    side_watch(to);
    side_watch(to->other);
}

static void side_init(struct side *side, struct side *other, struct pair *pair, int fd)
{
    *side = (struct side){.fd = fd, .other = other, .pair = pair, .events = EPOLLIN};
    loopback_watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, side);
}

static void pair_new(int client, const struct sockaddr_in *address)
{
    int backend = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    /* Blocking: on loopback a connection is there at once, or refused. */
    if (backend < 0 || connect(backend, (const struct sockaddr *)address, sizeof *address) != 0)
        loopback_die("connect");
    setsockopt(backend, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(backend, F_SETFL, O_NONBLOCK) != 0)
        loopback_die("fcntl");
    struct pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL)
        loopback_die("calloc");
    side_init(&pair->client, &pair->backend, pair, client);
    side_init(&pair->backend, &pair->client, pair, backend);
}

static void side_ready(struct side *side, uint32_t events)
{
    if (side->pair->is_closed)
        return;
    if (side->rest != NULL && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
        side_write(side);
    else if ((side->events & EPOLLIN) != 0)
        side_read(side);
    else if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        pair_close(side->pair);
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: relay ADDRESS...\n");
        return 2;
    }
    struct side listener = {.fd = loopback_listen()};
    epoll = epoll_create1(EPOLL_CLOEXEC);
    loopback_watch(epoll, EPOLL_CTL_ADD, listener.fd, EPOLLIN, &listener);
    int turn = 0;
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct side *side = events[i].data.ptr;
            int fd;
            if (side->pair != NULL) {
                side_ready(side, events[i].events);
                continue;
            }
            while ((fd = loopback_accept(listener.fd)) >= 0) {
                struct sockaddr_in address = loopback_address(arguments[1 + turn]);
                turn = (turn + 1) % (count - 1);
                pair_new(fd, &address);
            }
        }
        while (closed != NULL) {
            struct pair *next = closed->next_closed;
            free(closed);
            closed = next;
        }
    }
}
