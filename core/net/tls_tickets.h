/*
 * tls_tickets - session tickets that every worker can open, now and after a reload.
 *
 * Each site derives its own keys from the keys of shared/tickets. It cannot open a ticket of
 * another site, nor its own ticket from before its rules for clients changed: then the client gets
 * a full handshake.
 */
#ifndef NET_TLS_TICKETS_H
#define NET_TLS_TICKETS_H

#include "base/sha256.h"
#include "shared/segment.h"

struct ssl_ctx_st; /* of OpenSSL */

/* From now on keys come from this segment. Before that each context has keys of its own. */
void tls_tickets_share(const struct segment *);
/* For the new context of the site with that digest. keys: those of a file, the first seals; copied;
 * empty: those of the segment. False: there is no memory. */
bool tls_tickets_use(struct ssl_ctx_st *, const uint8_t site[SHA256_BYTES],
                     struct slice keys) MUST_USE;

#endif
