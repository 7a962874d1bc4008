/*
 * sockets - the listening sockets, one per worker slot and address.
 *
 * All of one address share its port (SO_REUSEPORT), and the kernel shares the
 * connections out among them. The supervisor keeps them open as long as it
 * serves, so a worker that takes a slot over finds the connections that were
 * waiting for the one before, and no connection is refused.
 */
#ifndef OS_SOCKETS_H
#define OS_SOCKETS_H

#include "config/config.h"

struct sockets { /* all zero: none */
    const struct config *config;
    int *fds; /* slot by slot, -1: closed */
    unsigned slots, addresses;
};

/* Binds, does not listen. Sockets of another program or another lb on the same
 * port are an error, though SO_REUSEPORT would allow those of the same user. 0, or
 * -1 and a message such as "cannot listen on 0.0.0.0:3030: address already in
 * use". A notice that is no error goes to *notice. Borrows the settings. */
int sockets_bind(struct sockets *, const struct config *, struct buffer *error,
                 struct buffer *notice) MUST_USE;
int sockets_listen(struct sockets *, struct buffer *error) MUST_USE; /* as above */

/* From now on the kernel deals new connections out, evenly and at random, to those slots only; if
 * all or none have them, by its own hash to all. After sockets_listen. 0, or a negative errno. */
int sockets_spread(const struct sockets *, const bool *has) MUST_USE;

const int *sockets_of_slot(const struct sockets *, unsigned slot); /* one per address */
void sockets_format(const struct sockets *, unsigned address, struct buffer *); /* with its port */
uint16_t sockets_port(const struct sockets *, unsigned address);
void sockets_keep_slot(struct sockets *, unsigned slot); /* closes all the others */
void sockets_close(struct sockets *);

#endif
