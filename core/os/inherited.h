/*
 * inherited - listening sockets that systemd has opened, and hands over with the start (LISTEN_FDS,
 * LISTEN_PID, LISTEN_FDNAMES: sd_listen_fds(3)).
 *
 * Each of them has to be one of `listen`, by its address: a socket that nobody accepts from would
 * leave its clients without an answer.
 */
#ifndef OS_INHERITED_H
#define OS_INHERITED_H

#include "base/buffer.h"

#include <stdbool.h>
#include <sys/socket.h>

enum { INHERITED_MAX = 256 };

struct inherited {
    unsigned count;
    bool is_taken[INHERITED_MAX];
    const char *names; /* "web:admin"; NULL: none have any */
};

/* Reads the environment, which has these variables no more then: the descriptors are ours. */
void inherited_open(struct inherited *);
/* The descriptor that listens at this address, from now on the caller's; -1: none does. */
int inherited_take(struct inherited *, const struct sockaddr *);
/* Is there a socket that no `listen` names? Then the message says which, and what to do. Closes
 * all such sockets. */
bool inherited_are_left(struct inherited *, struct buffer *error);

#endif
