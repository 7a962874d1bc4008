/*
 * upgrade - has a backend agreed to what the client asked for? Pure.
 */
#ifndef HTTP_UPGRADE_H
#define HTTP_UPGRADE_H

#include "http/head.h"

/* Does the 101, of 1.1, say in Connection that it switches to one protocol that the request's
 * Upgrade offered (RFC 9110, 7.8)? */
bool upgrade_agrees(const struct head *request, const struct head *response);

#endif
