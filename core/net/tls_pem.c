#include "net/tls_pem.h"

#include "net/tls_library.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>

void tls_pem_explain(struct buffer *error, const char *what)
{
    if (error != NULL)
        buffer_printf(error, "%s: %s", what, tls_library_why());
}

BIO *tls_pem_bio(struct slice pem)
{
    return BIO_new_mem_buf(pem.start, pem.length < INT_MAX ? (int)pem.length : INT_MAX);
}

int tls_pem_no_password(char *out, int most, int is_writing, void *data)
{
    (void)out;
    (void)most;
    (void)is_writing;
    (void)data;
    return -1;
}

bool tls_pem_is_over(void)
{
    unsigned long error = ERR_peek_last_error();

    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

STACK_OF(X509) * tls_pem_certificates(struct slice pem)
{
    BIO *bio = tls_pem_bio(pem);
    STACK_OF(X509) *list = sk_X509_new_null();
    bool is_right = bio != NULL && list != NULL;
    X509 *next;

    tls_library_forget_errors();
    while (is_right && (next = PEM_read_bio_X509(bio, NULL, tls_pem_no_password, NULL)) != NULL)
        is_right = sk_X509_push(list, next) > 0;
    BIO_free(bio);
    if (is_right && tls_pem_is_over() && sk_X509_num(list) > 0) {
        tls_library_forget_errors();
        return list;
    }
    sk_X509_pop_free(list, X509_free);
    return NULL;
}

static EVP_PKEY *read_key(struct slice pem)
{
    BIO *bio = tls_pem_bio(pem);
    EVP_PKEY *key;

    tls_library_begin_secret();
    key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, tls_pem_no_password, NULL) : NULL;
    tls_library_end_secret();
    BIO_free(bio);
    return key;
}

bool tls_pem_use(SSL_CTX *context, const struct tls_certificate *certificate, struct buffer *error)
{
    STACK_OF(X509) *chain = tls_pem_certificates(certificate->chain);
    EVP_PKEY *key = NULL;
    X509 *own = NULL;
    bool is_used = false;

    if (chain == NULL) {
        tls_pem_explain(error, "the certificate cannot be read");
        return false;
    }
    own = sk_X509_shift(chain);
    key = read_key(certificate->key);
    if (key == NULL)
        tls_pem_explain(error, "the key cannot be read");
    else if (SSL_CTX_use_cert_and_key(context, own, key, chain, 1) != 1)
        tls_pem_explain(error, "certificate and key cannot be used");
    else
        is_used = true;
    EVP_PKEY_free(key);
    X509_free(own);
    sk_X509_pop_free(chain, X509_free);
    return is_used;
}
