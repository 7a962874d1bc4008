/*
 * tls_site - what a name gets: certificates and rules, and the context of the library made of them.
 *
 * The rules are plain data, borrowed. A context takes some 25 KB and a millisecond to make.
 */
#ifndef NET_TLS_SITE_H
#define NET_TLS_SITE_H

#include "base/buffer.h"
#include "base/check.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { TLS_CERTIFICATES_MAX = 4 }; /* of a site, each with a key of another kind */

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

/* PEM. */
struct tls_certificate {
    struct slice chain; /* the site's own first */
    struct slice key;
};

enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_REQUEST, TLS_VERIFY_REQUIRE };

/* Of the certificates of clients. */
struct tls_client_rules {
    uint64_t id; /* other rules have another one; 0: nothing is asked */
    enum tls_verify verify;
    struct slice ca;  /* PEM: who may have signed them */
    struct slice crl; /* PEM, or empty */
    unsigned depth;   /* of the chain at most; 0: as the library likes */
};

struct tls_site_rules {
    /* A ticket of a site with another id, or other rules for clients, is noise here. The same after
     * a reload, as long as it is the same site: its first name. */
    struct slice id;
    struct tls_certificate certificates[TLS_CERTIFICATES_MAX];
    unsigned certificates_count; /* at least 1 */
    enum tls_version min_version;
    const char *ciphers; /* of TLS 1.2, in the library's words; NULL: Mozilla's "intermediate" */
    const char *groups;  /* NULL: X25519 and the NIST curves of 256 and 384 bits */
    unsigned tickets;    /* for each handshake; 0: none */
    struct tls_client_rules client;
};

struct ssl_ctx_st; /* of OpenSSL */

/* NULL, and the reason is in *error, which may be NULL. Free with tls_site_free. */
struct ssl_ctx_st *tls_site_make(const struct tls_site_rules *, struct buffer *error) MUST_USE;
void tls_site_free(struct ssl_ctx_st *); /* connections that use it keep it; NULL is fine */

#endif
