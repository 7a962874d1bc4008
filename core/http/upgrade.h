/*
 * upgrade - what a client offers to switch to, and whether a backend has agreed to that. Pure.
 */
#ifndef HTTP_UPGRADE_H
#define HTTP_UPGRADE_H

#include "http/head.h"

/* The next protocol of the Upgrade fields' members: a token, perhaps with a version behind a slash
 * (RFC 9110, 7.8). Skips members that are no protocol, and h2c and its drafts, which are never
 * forwarded. */
bool protocol_next(struct members *, struct slice *protocol);
/* Does the 101, of 1.1, say in Connection that it switches to one protocol that the request's
 * Upgrade offered (RFC 9110, 7.8)? */
bool upgrade_agrees(const struct head *request, const struct head *response);

#endif
