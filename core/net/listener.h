/*
 * listener - a listening socket on a loop.
 *
 * Connections are accepted in batches, as long as the owner has room, or makes some. Without
 * all that come wait in the kernel's queue, until listener_go_on or a moment later, when the owner
 * is asked again: that is how a full worker holds back.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/check.h"
#include "base/slice.h"
#include "net/deadline.h"
#include "net/loop.h"

#include <netinet/in.h>

struct listener {
    uv_poll_t poll;
    struct loop *loop;
    struct deadline again; /* there was no room or no descriptor for a connection: another try */
    int socket;
    uint16_t number;   /* of its owner's, from 0 */
    struct slice name; /* by which its owner and scripts know it; the owner's */
    uint16_t batch;    /* accepted at most in the next turn */
    bool is_waiting;   /* there was no room, and somebody waits for listener_go_on */
    bool is_proxied;   /* each connection begins with a PROXY header: net/proxy_header.h */
    bool is_h2c;       /* without TLS a connection may begin with HTTP/2's preface */
    bool is_secure;    /* each connection begins, behind that, with a TLS handshake */
    bool (*has_room)(struct listener *); /* may somebody who comes be accepted? */
    bool (*on_full)(struct listener *); /* somebody has come: is there room now, or does he wait? */
    bool (*make_room)(struct listener *); /* the same for want of a descriptor */
    /* Takes the socket: for stream_accept. */
    void (*on_connection)(struct listener *, int socket, const struct sockaddr_in6 *peer);
    void (*on_closed)(struct listener *);
    void *owner;
};

/* Takes the socket, bound and listening, also if it fails. 0, or a negative libuv code; then
 * the listener must still be closed. */
int listener_open(struct listener *, struct loop *, int socket) MUST_USE;
void listener_go_on(struct listener *); /* there is room again */
/* Accepts all connections in the queue now, with or without room. */
void listener_accept_rest(struct listener *);
void listener_close(struct listener *); /* then on_closed */

#endif
