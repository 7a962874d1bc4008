/*
 * room - who makes room when a worker has no more descriptors, or no more memory.
 *
 * What nobody would miss goes first: a client that has its last answer and does not close,
 * then a client that has sent nothing yet, then the idle client that was answered longest ago
 * (client/clients.h), then connections to backends that nobody uses. Nothing that is in flight is
 * touched.
 */
#ifndef PROXY_ROOM_H
#define PROXY_ROOM_H

#include "client/clients.h"
#include "upstream/pool.h"

bool room_make(struct clients *, struct pools *); /* false: no connection can be closed */

#endif
