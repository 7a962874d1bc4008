/*
 * sockets - the listening sockets, one per worker slot and address.
 *
 * All sockets of an address share its port (SO_REUSEPORT), and the kernel deals connections out
 * among them. The supervisor keeps them open as long as it serves. So a worker that takes over a
 * slot finds the connections that waited for its predecessor, and no connection is refused.
 *
 * A socket that systemd has opened is one for all slots.
 */
#ifndef OS_SOCKETS_H
#define OS_SOCKETS_H

#include "config/config.h"

struct sockets { /* all zero: none */
    const struct config *config;
    int *fds; /* slot by slot, -1: closed */
    unsigned slots, addresses;
    pid_t beside; /* another lb listened there before; 0: none */
};

/* Binds, does not listen. Another lb of the same user may listen there, too: until it ends both get
 * new connections. A socket of another program is an error, though SO_REUSEPORT would allow one of
 * the same user. 0, or -1 and a message such as "cannot listen on 0.0.0.0:3030: address already in
 * use". What is no error but worth a line goes to *notice. Borrows the settings. */
int sockets_bind(struct sockets *, const struct config *, struct buffer *error,
                 struct buffer *notice) MUST_USE;
int sockets_listen(struct sockets *, struct buffer *error) MUST_USE; /* as above */
/* Before all are closed: new connections go to another lb that has begun to listen there, if there
 * is one. */
void sockets_leave(const struct sockets *);
/* In place of both: they are there, and listen, slot by slot. Takes the descriptors. */
void sockets_take(struct sockets *, const struct config *, const int *fds);

/* After sockets_listen, unless another lb listened before: the kernel deals new connections out
 * evenly and at random to the slots of `has` only; if these are all or none, to all by its hash. 0,
 * or a negative errno. */
int sockets_spread(const struct sockets *, const bool *has) MUST_USE;

const int *sockets_of_slot(const struct sockets *, unsigned slot); /* one per address */
void sockets_format(const struct sockets *, unsigned address, struct buffer *); /* with its port */
uint16_t sockets_port(const struct sockets *, unsigned address);
void sockets_keep_slot(struct sockets *, unsigned slot); /* closes all the others */
void sockets_close(struct sockets *);

#endif
