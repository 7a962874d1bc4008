/*
 * listener - a listening socket on a loop.
 *
 * A connection that is announced and not accepted waits, and so do all behind
 * it, until somebody calls stream_accept: that is how a full worker holds back.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/check.h"
#include "net/loop.h"

struct listener {
    uv_tcp_t tcp;
    bool is_waiting; /* a connection was announced and not accepted yet */
    void (*on_connection)(
        struct listener *); /* accept it with stream_accept(.., listener_stream(l), ..) */
    void (*on_closed)(struct listener *);
};

/* Takes the socket, bound and listening. 0, or a negative libuv code. */
int listener_open(struct listener *, struct loop *, int socket) MUST_USE;
void listener_close(struct listener *); /* then on_closed */

static inline uv_stream_t *listener_stream(struct listener *l)
{
    return (uv_stream_t *)&l->tcp;
}

#endif
