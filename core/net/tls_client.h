/*
 * tls_client - the certificate of a client, and what it says.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include "base/arena.h"
#include "base/check.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct ssl_st; /* of OpenSSL */

/* The names in a certificate, each with a NUL behind it. */
struct tls_client_names {
    struct slice dns, uri, email;
};

struct tls_client_said {  /* the layout is also in policy/context.lua */
    struct slice error;   /* why it is not verified; empty: it is verified */
    struct slice subject; /* as RFC 2253 writes it: "CN=anna,O=Example" */
    struct slice issuer;  /* its signer, written the same way */
    struct slice serial;  /* hex digits */
    struct slice sha256;  /* hex digits, of the whole certificate */
    struct slice pem;     /* the certificate */
    struct tls_client_names names;
    /* If they are forwarded: the certificate as Client-Cert has it, and those between it and one of
     * client.ca as Client-Cert-Chain has them (RFC 9440, 2). Empty: there are none. */
    struct slice field, chain_field;
    int64_t not_after;  /* seconds since 1970 */
    size_t texts_bytes; /* of all texts, which follow this struct */
};

/* After the handshake. NULL: the client has sent no certificate. Free with mem_free.
 * forwards: fill field and chain_field, if it is verified. */
struct tls_client_said *tls_client_new(const struct ssl_st *, bool forwards);
/* A copy that may outlive the connection; NULL of NULL. */
const struct tls_client_said *tls_client_copy(const struct tls_client_said *, struct arena *);

/* The struct and its texts were copied as a whole; the texts lay at that address. False: some text
 * did not lie among them. */
bool tls_client_move(struct tls_client_said *, uintptr_t from) MUST_USE;

#endif
