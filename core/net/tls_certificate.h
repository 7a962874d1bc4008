/*
 * tls_certificate - can a server use a certificate and its key, and which names does it have?
 *
 * Each certificate is checked once, when its file is read. The result travels with the bytes, so
 * that no other process parses them before a client needs them.
 */
#ifndef NET_TLS_CERTIFICATE_H
#define NET_TLS_CERTIFICATE_H

#include "base/buffer.h"
#include "base/check.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct ssl_ctx_st; /* of OpenSSL */

struct tls_certificate { /* PEM */
    struct slice chain;  /* the own certificate first */
    struct slice key;
};

enum tls_key { TLS_KEY_RSA, TLS_KEY_ECDSA, TLS_KEY_ED25519, TLS_KEY_KINDS };

struct tls_facts {
    enum tls_key key;
    unsigned bits;
    int64_t not_before, not_after; /* seconds since 1970 */
};

enum tls_fault { TLS_FAULT_CERTIFICATE, TLS_FAULT_KEY, TLS_FAULT_BOTH }; /* which file has it */

/* Does the key fit, is it strong enough, and is the chain in order? Dates are facts, no reason to
 * refuse. names gets the DNS names, or the common name if there are none, each with a NUL behind
 * it. False: *wrong says why, without the names of files, and *fault which file is to blame. */
bool tls_certificate_check(const struct tls_certificate *, struct tls_facts *, struct buffer *names,
                           struct buffer *wrong, enum tls_fault *fault) MUST_USE;
/* Puts it into a context of OpenSSL. False: *error says why; it may be NULL. */
bool tls_certificate_use(struct ssl_ctx_st *, const struct tls_certificate *, struct buffer *error);
/* Certificates that sign certificates of clients, or revocation lists (is_crl): at least one. */
bool tls_certificate_check_list(struct slice pem, bool is_crl, struct buffer *wrong) MUST_USE;
const char *tls_key_name(enum tls_key); /* "RSA" */

#endif
