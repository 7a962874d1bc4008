/*
 * tls_signature - is a signature right? For lb.verify of scripts (lua/signatures.lua).
 *
 * Public keys only, of three kinds. A key that was read is kept: reading one takes as long as a
 * check or longer. The 32 keys used last are kept.
 */
#ifndef NET_TLS_SIGNATURE_H
#define NET_TLS_SIGNATURE_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* RFC 7518, 3.1; RFC 8037, 3.1. RSA: 2048 to 8192 bits, PKCS #1 v1.5. A signature of ES256 is R and
 * S, 32 bytes each. */
enum tls_signature_algorithm {
    TLS_SIGNATURE_RS256,
    TLS_SIGNATURE_ES256,
    TLS_SIGNATURE_EDDSA, /* Ed25519 */
    TLS_SIGNATURE_ALGORITHMS,
};

/* The layout is also in lua/signatures.lua. */
struct tls_signature {
    uint32_t algorithm; /* enum tls_signature_algorithm */
    bool is_pem;
    /* How many of the bytes are what, in this order. PEM: a SubjectPublicKeyInfo or a certificate,
     * and nothing. Else big-endian numbers (RFC 7518, 6; RFC 8037, 2): n and e of RSA, x and y of
     * P-256, x and nothing of Ed25519. */
    uint32_t key, key_rest, text, signature;
};

/* Borrows the bytes. NULL: *is_right is the answer. Else a static text: why the key is of no use
 * for the algorithm. */
const char *tls_signature_check(const struct tls_signature *, const char *bytes, bool *is_right);

#endif
