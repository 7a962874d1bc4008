/*
 * admission - which connections and requests are let in: limits.per_client, per_client_requests,
 * connection_age, and the peers that are trusted.
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

/* Of a request with a valid head: counts it until admission_forget_request. False: it is one too
 * many of its address. It is the last of a connection of HTTP/1 that is older than
 * limits.connection_age. */
bool admission_weighs_request(struct incoming *) MUST_USE;
void admission_forget_request(struct incoming *);

static inline bool admission_admits_request(struct incoming *in) /* few scripts have such limits */
{
    return !in->client->clients->weighs_requests || admission_weighs_request(in);
}

#endif
