/*
 * tls_tickets - session tickets that every worker opens, and every later generation of workers.
 *
 * Each site derives its own keys from those of shared/tickets: a ticket of another site, or of this
 * one by other rules for clients, is noise, and the client gets a full handshake.
 */
#ifndef NET_TLS_TICKETS_H
#define NET_TLS_TICKETS_H

#include "base/sha256.h"
#include "shared/segment.h"

struct ssl_ctx_st; /* of OpenSSL */

/* From now on the keys are those of this segment. Before it each context has keys of its own. */
void tls_tickets_share(const struct segment *);
/* Of a context that is being made, of the site with that digest. False: there is no memory. */
bool tls_tickets_use(struct ssl_ctx_st *, const uint8_t site[SHA256_BYTES]) MUST_USE;

#endif
