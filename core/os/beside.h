/*
 * beside - another lb that listens at an address, in whose place this one may have been started.
 *
 * The kernel lets the sockets of one user share a port. Only another lb is expected to be there:
 * any other program would lose a part of its connections. /proc tells who it is; where that cannot
 * be read the address is in use.
 */
#ifndef OS_BESIDE_H
#define OS_BESIDE_H

#include <sys/socket.h>
#include <sys/types.h>

/* The process that another lb of this user was started as, if it listens at the port of this
 * address. 0: there is none, or it cannot be seen. */
pid_t beside_find(const struct sockaddr *);
/* How many sockets of this user listen at exactly this address. */
unsigned beside_count(const struct sockaddr *);

#endif
