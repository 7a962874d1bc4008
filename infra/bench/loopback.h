/*
 * loopback - sockets of 127.0.0.1 for the two small servers of the bench, and how they give up.
 *
 * These run next to what is measured, on the core of the load: they have to be cheap, and are
 * nothing else. What the system refuses them ends them with a line that says so.
 */
#ifndef BENCH_LOOPBACK_H
#define BENCH_LOOPBACK_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOPBACK_BACKLOG = 4096 };

static inline void loopback_die(const char *what)
{
    perror(what);
    exit(1);
}

/* Of "127.0.0.1:PORT". */
static inline struct sockaddr_in loopback_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    long port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
    if (port <= 0 || port > 65535) {
        fprintf(stderr, "not an address of 127.0.0.1: %s\n", text);
        exit(2);
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A listening socket on a free port; prints its address, for the process that started it. */
static inline int loopback_listen(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        listen(fd, LOOPBACK_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        loopback_die("listen");
    printf("listening 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* The next connection, ready to be read from, or -1 if there is none left. */
static inline int loopback_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EAGAIN && errno != ECONNABORTED)
            loopback_die("accept");
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static inline void loopback_watch(int epoll, int operation, int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};
    if (epoll_ctl(epoll, operation, fd, &event) != 0)
        loopback_die("epoll_ctl");
}

#endif
