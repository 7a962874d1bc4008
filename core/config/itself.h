/*
 * itself - is a backend lb itself, at an address where it listens?
 *
 * A request to it would come back, and be sent there again, until all connections are used up.
 */
#ifndef CONFIG_ITSELF_H
#define CONFIG_ITSELF_H

#include "config/config.h"

/* The listen address that config->backends[i] certainly reaches; else NULL. Of names only localhost
 * is looked at. */
const struct config_listen *itself_is(const struct config *, unsigned i);
bool itself_is_admin(const struct config *, unsigned i); /* the same of the admin addresses */
bool itself_is_loopback(const struct sockaddr *);        /* only this machine reaches it */

#endif
