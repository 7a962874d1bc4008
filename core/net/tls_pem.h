/*
 * tls_pem - certificates and keys of PEM texts, into a context of the library.
 *
 * The texts were checked when they were read (net/tls_certificate.h). If a call fails, the
 * library's last error says why.
 */
#ifndef NET_TLS_PEM_H
#define NET_TLS_PEM_H

#include "base/buffer.h"
#include "net/tls_certificate.h"

#include <openssl/ssl.h>
#include <stdbool.h>

BIO *tls_pem_bio(struct slice pem); /* NULL: there is no memory */
/* The callback for passwords: there is none. The library's own would ask the terminal. */
int tls_pem_no_password(char *out, int most, int is_writing, void *data);
bool tls_pem_is_over(void); /* after reading failed: nothing more was there */
/* All certificates, in their order. NULL: one cannot be read, or there are none. */
STACK_OF(X509) * tls_pem_certificates(struct slice pem);
/* False: *error says why; it may be NULL. */
bool tls_pem_use(SSL_CTX *, const struct tls_certificate *, struct buffer *error);
/* "what: the library's last error". */
void tls_pem_explain(struct buffer *error, const char *what);

#endif
