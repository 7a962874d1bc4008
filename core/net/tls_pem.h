/*
 * tls_pem - the certificates and keys in PEM texts.
 *
 * If a call fails, the library's last error says why.
 */
#ifndef NET_TLS_PEM_H
#define NET_TLS_PEM_H

#include "base/buffer.h"
#include "base/slice.h"

#include <openssl/ssl.h>
#include <stdbool.h>

BIO *tls_pem_bio(struct slice pem); /* NULL: there is no memory */
/* The callback for passwords: there is none. The library's own would ask the terminal. */
int tls_pem_no_password(char *out, int most, int is_writing, void *data);
bool tls_pem_is_over(void); /* after reading failed: nothing more was there */
/* All certificates, in their order. NULL: one cannot be read, or there are none. */
STACK_OF(X509) * tls_pem_certificates(struct slice pem);
bool tls_pem_has_key(struct slice pem);
/* The first private key, which should be the certificate's. NULL: it cannot be read; *is_locked: it
 * wants a passphrase. */
EVP_PKEY *tls_pem_key(struct slice pem, const X509 *certificate, bool *is_locked);
/* A key of its own, to be freed. NULL: it cannot be read. */
EVP_PKEY *tls_pem_public_key(X509 *certificate);
/* "what: the library's last error". */
void tls_pem_explain(struct buffer *error, const char *what);

#endif
