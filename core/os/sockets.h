/*
 * sockets - the listening sockets, one per worker slot and address.
 *
 * All sockets of an address share its port (SO_REUSEPORT), and the kernel deals connections out
 * among them. The supervisor keeps them open as long as it serves. So a worker that takes over a
 * slot finds the connections that waited for its predecessor, and no connection is refused.
 */
#ifndef OS_SOCKETS_H
#define OS_SOCKETS_H

#include "config/config.h"

struct sockets { /* all zero: none */
    const struct config *config;
    int *fds; /* slot by slot, -1: closed */
    unsigned slots, addresses;
};

/* Binds, does not listen. A socket of another program or another lb on the same port is an error,
 * though SO_REUSEPORT would allow one of the same user. 0, or -1 and a message such as "cannot
 * listen on 0.0.0.0:3030: address already in use". What is no error but worth a line goes to
 * *notice. Borrows the settings. */
int sockets_bind(struct sockets *, const struct config *, struct buffer *error,
                 struct buffer *notice) MUST_USE;
int sockets_listen(struct sockets *, struct buffer *error) MUST_USE; /* as above */

/* After sockets_listen: the kernel deals new connections out evenly and at random to the slots of
 * `has` only; if these are all or none, to all by its hash. 0, or a negative errno. */
int sockets_spread(const struct sockets *, const bool *has) MUST_USE;

const int *sockets_of_slot(const struct sockets *, unsigned slot); /* one per address */
void sockets_format(const struct sockets *, unsigned address, struct buffer *); /* with its port */
uint16_t sockets_port(const struct sockets *, unsigned address);
void sockets_keep_slot(struct sockets *, unsigned slot); /* closes all the others */
void sockets_close(struct sockets *);

#endif
