/*
 * watch - a descriptor of a library that makes its own sockets: the loop says when it is ready.
 */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include "net/loop.h"

struct watch { /* all zero but on_ready watches nothing */
    uv_poll_t *handle;
    struct loop *loop;
    int descriptor;
    /* An error of the descriptor makes it ready for both. */
    void (*on_ready)(struct watch *, int descriptor, bool to_read, bool to_write);
};

/* Watches from now on, for what is wanted. A negative libuv code if the kernel refuses. */
int watch_set(struct watch *, struct loop *, int descriptor, bool to_read, bool to_write) MUST_USE;
/* In any state, and before the descriptor is closed. The watch's memory is its owner's again. */
void watch_stop(struct watch *);

#endif
