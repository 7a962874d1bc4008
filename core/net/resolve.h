/*
 * resolve - names to addresses, off the loop (in libuv's thread pool).
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "base/check.h"
#include "net/loop.h"

#include <netinet/in.h>

enum { RESOLVE_ADDRESSES_MAX = 16 };

struct resolve { /* stays in place until its event */
    uv_getaddrinfo_t request;
    bool is_busy;
    uint16_t port;
    /* count addresses with the port filled in, in the resolver's order; 0 and a
     * negative UV_EAI_* code if there is none. Comes exactly once: what a thread is working
     * on cannot be stopped. */
    void (*on_resolved)(struct resolve *, const struct sockaddr_in6 *addresses, unsigned count,
                        int code);
};

int resolve_start(struct resolve *, struct loop *, const char *host, uint16_t port) MUST_USE;

#endif
