/*
 * tls_site - certificates and rules of a site, and the library's context made from them.
 *
 * The rules are plain data, borrowed. A context takes some 25 KB and a millisecond to make.
 */
#ifndef NET_TLS_SITE_H
#define NET_TLS_SITE_H

#include "net/tls_certificate.h"

#include <stdbool.h>
#include <stdint.h>

enum { TLS_CERTIFICATES_MAX = 4 }; /* per site, each with another kind of key */

/* Which protocols clients are offered, in our order. */
enum tls_alpn { TLS_ALPN_H2_H1, TLS_ALPN_H1_H2, TLS_ALPN_H1, TLS_ALPN_H2 };

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_REQUEST, TLS_VERIFY_REQUIRE };

/* For the certificates of clients. */
struct tls_client_rules {
    uint64_t id; /* different for different rules; 0: no certificate is asked for */
    enum tls_verify verify;
    struct slice ca;  /* PEM: the certificates that may sign them */
    struct slice crl; /* PEM, or empty */
    unsigned depth;   /* the longest chain; 0: the library's limit */
    bool forward;     /* backends get Client-Cert (RFC 9440) */
};

struct tls_site_rules {
    /* The site's first name, so that a reload keeps the id. A site cannot open tickets of another
     * id, nor tickets given under other rules for clients. */
    struct slice id;
    struct tls_certificate certificates[TLS_CERTIFICATES_MAX];
    unsigned certificates_count; /* at least 1 */
    enum tls_version min_version;
    enum tls_alpn alpn;
    const char *ciphers; /* of TLS 1.2, in OpenSSL's notation; NULL: Mozilla's "intermediate" */
    const char *groups;  /* NULL: X25519 and the NIST curves of 256 and 384 bits */
    unsigned tickets;    /* tickets per handshake; 0: none */
    struct slice ticket_keys; /* of a file: net/tls_tickets.h; empty: they are made by lb */
    struct tls_client_rules client;
};

struct ssl_ctx_st; /* of OpenSSL */

/* NULL: the reason is in *error. error may be NULL; else each word of ciphers is looked at, too.
 * Free with tls_site_free. */
struct ssl_ctx_st *tls_site_make(const struct tls_site_rules *, struct buffer *error) MUST_USE;
void tls_site_free(struct ssl_ctx_st *); /* connections that use it keep it; NULL is fine */

/* Those that a client may choose, with TLS 1.3's, as "A:B:C"; nothing if no context can be made. */
void tls_site_list_ciphers(const struct tls_site_rules *, struct buffer *out);
const char *tls_site_groups(const struct tls_site_rules *);

#endif
