/*
 * entrance - the listeners of a worker, and how many clients they let in.
 *
 * There is a bound for each worker and one for all together. At the bound an idle client closes for
 * the next one, in the order of proxy/room.h. If this worker has none, it asks the others and lets
 * in one client too many meanwhile, so that no worker depends on what another one is doing. Further
 * clients wait in the kernel's queue.
 */
#ifndef PROCESS_ENTRANCE_H
#define PROCESS_ENTRANCE_H

#include "base/log.h"
#include "client/clients.h"
#include "config/config.h"
#include "net/listener.h"
#include "upstream/pool.h"

struct entrance {
    struct clients *clients;
    struct pools *pools;
    unsigned most;        /* clients of this worker, for its descriptors */
    uint64_t most_of_all; /* of all workers: limits.connections; UINT64_MAX: there is no limit */
    unsigned workers;
    unsigned most_handshakes;     /* of TLS, that are not finished, of this worker */
    struct log_interval full_log; /* clients that found no place */
    struct listener *listeners;
    unsigned count, open; /* listeners */
};

void entrance_init(struct entrance *, struct clients *, struct pools *); /* borrows */
void entrance_follow(struct entrance *, const struct config *);          /* its bounds hold now */
/* Takes the sockets, of the addresses that the settings listen on, also if it fails. Borrows the
 * settings. 0, or a negative libuv code. */
int entrance_open(struct entrance *, const struct config *, const int *sockets,
                  unsigned count) MUST_USE;
void entrance_note_left(struct entrance *); /* a client has left: another may come, here or there */
/* Another worker has woken this one: it may want a place, or have freed one. Now and then, too, as
 * clients that were too young to close are idle for longer now. */
void entrance_look(struct entrance *);
/* Lets in all that wait in a queue, whatever the bounds, then closes the listeners: it is over when
 * `open` is 0. Twice is fine. */
void entrance_close(struct entrance *);
void entrance_leave(struct entrance *); /* the same, but those in the queues are another worker's */
void entrance_dispose(struct entrance *);

#endif
