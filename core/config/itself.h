/*
 * itself - is a backend lb itself, at an address where it listens?
 *
 * A request to it would come back, and be sent there again, until all connections are used up.
 */
#ifndef CONFIG_ITSELF_H
#define CONFIG_ITSELF_H

#include "config/config.h"

/* The listen address that a connection to that address certainly reaches; else NULL. Of names only
 * localhost is looked at. */
const struct config_listen *itself_is(const struct config *, const struct address *);
bool itself_is_admin(const struct config *, const struct address *); /* of the admin addresses */
bool itself_is_loopback(const struct sockaddr *); /* only this machine reaches it */

#endif
