/*
 * admission - which connections are let in: limits.per_client, and the peers that are trusted.
 *
 * For this folder. A connection that is one too many of its address is refused by the answer to its
 * first request, a 429, or at once if many are.
 */
#ifndef CLIENT_ADMISSION_H
#define CLIENT_ADMISSION_H

#include "client/client_inside.h"

bool admission_trusts(const struct client *); /* its peer is one of trusted_proxies */
/* Counts the connection under its address. False: it is one too many, and is to be reset. If it is
 * one too many and may wait for its 429, is_refused is set, and its deadline. */
bool admission_admits(struct client *) MUST_USE;
void admission_count(struct client *); /* the setting may be new: counted, and never refused */
void admission_leave(struct client *); /* not counted any more; twice is fine */

#endif
