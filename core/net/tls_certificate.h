/*
 * tls_certificate - is a certificate with its key of use to a server, and whose is it?
 *
 * Asked once, when the files are read. What it says travels with the bytes, so that nobody else
 * has to take them apart before a client wants them.
 */
#ifndef NET_TLS_CERTIFICATE_H
#define NET_TLS_CERTIFICATE_H

#include "base/buffer.h"
#include "base/check.h"
#include "net/tls_site.h"

#include <stdbool.h>
#include <stdint.h>

enum tls_key { TLS_KEY_RSA, TLS_KEY_ECDSA, TLS_KEY_ED25519, TLS_KEY_KINDS };

struct tls_facts {
    enum tls_key key;
    unsigned bits;
    int64_t not_before, not_after; /* seconds since 1970 */
};

enum tls_fault { TLS_FAULT_CERTIFICATE, TLS_FAULT_KEY, TLS_FAULT_BOTH }; /* whose it is */

/* Does the key fit, is it strong enough, and is the chain in its order? Dates are facts and nothing
 * to refuse. names gets what it is for, each with a NUL behind it: DNS names, or the common name if
 * there are none. False, words in *wrong without the files' names, and in *fault which file is to
 * blame. */
bool tls_certificate_check(const struct tls_certificate *, struct tls_facts *, struct buffer *names,
                           struct buffer *wrong, enum tls_fault *fault) MUST_USE;
/* Certificates that sign those of clients, or lists of revoked ones (is_crl): at least one. */
bool tls_certificate_check_list(struct slice pem, bool is_crl, struct buffer *wrong) MUST_USE;
const char *tls_key_name(enum tls_key); /* "RSA" */

#endif
