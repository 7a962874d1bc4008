/*
 * itself - which backend is lb itself, at an address where it listens?
 *
 * A request to it would come back, and go there again, until all connections are used up.
 */
#ifndef CONFIG_ITSELF_H
#define CONFIG_ITSELF_H

#include "config/config.h"

/* Where config->backends[i] is reached, if that is certainly here: the listen address; else NULL.
 * Of names only localhost is looked at. */
const struct config_listen *itself_is(const struct config *, unsigned i);

#endif
