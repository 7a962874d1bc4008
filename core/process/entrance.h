/*
 * entrance - the listeners of a worker, and whom they let in.
 *
 * As many clients as there may be have a place, of this worker and of all together. For one more
 * somebody who rests makes room, in the order of proxy/room.h; if nobody does in this worker, the
 * others are asked, and one client too many is let in meanwhile, so that no worker depends on what
 * another one is doing. Whoever comes then waits in the kernel's queue.
 */
#ifndef PROCESS_ENTRANCE_H
#define PROCESS_ENTRANCE_H

#include "base/log.h"
#include "client/clients.h"
#include "config/config.h"
#include "net/listener.h"
#include "upstream/pools.h"

struct entrance {
    struct clients *clients;
    struct pools *pools;
    unsigned most;        /* clients of this worker, for its descriptors */
    uint64_t most_of_all; /* of all workers: limits.connections; UINT64_MAX: there is no limit */
    unsigned workers;
    struct log_interval full_log; /* clients that found no place */
    struct listener *listeners;
    unsigned count, open; /* listeners */
};

void entrance_init(struct entrance *, struct clients *, struct pools *); /* borrows */
void entrance_follow(struct entrance *, const struct config *); /* whom that lets in, may come */
/* Takes the sockets, of the addresses that the settings listen on, also if it fails. Borrows the
 * settings. 0, or a negative libuv code. */
int entrance_open(struct entrance *, const struct config *, const int *sockets,
                  unsigned count) MUST_USE;
void entrance_note_left(struct entrance *); /* a client: another one may come, here or elsewhere */
/* Another worker may want a place, or have freed one: it has woken this one. Now and then, too, as
 * who rests now may have been too young to go then. */
void entrance_look(struct entrance *);
/* Whoever is in a queue is let in, whether there is a place or not, and then nobody any more. It
 * is over when none is open. Twice is fine. */
void entrance_close(struct entrance *);
void entrance_dispose(struct entrance *);

#endif
