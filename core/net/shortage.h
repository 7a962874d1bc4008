/*
 * shortage - is it this machine or process, and not the peer, that lacks something?
 */
#ifndef NET_SHORTAGE_H
#define NET_SHORTAGE_H

#include <stdbool.h>
#include <uv.h>

/* Does a negative libuv code say that descriptors, memory or ports have run out, for any peer? */
static inline bool shortage_explains(int code)
{
    return code == UV_EMFILE || code == UV_ENFILE || code == UV_ENOMEM || code == UV_ENOBUFS ||
           code == UV_EADDRINUSE;
}

/* There is no way from here to this peer: no port is left to connect from, or this machine does not
 * have that kind of address at all (::1 without IPv6). */
static inline bool shortage_of_address_explains(int code)
{
    return code == UV_EADDRNOTAVAIL;
}

#endif
