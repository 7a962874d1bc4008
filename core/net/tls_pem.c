#include "net/tls_pem.h"

#include "net/tls_library.h"

#include <limits.h>
#include <openssl/decoder.h>
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

/* --- keys --- */

/* The library needs a third of a millisecond to find its decoders: each kind is made once. */
struct decoder {
    const char *input, *structure, *type; /* NULL: any */
    int selection;
    OSSL_DECODER_CTX *context;
    EVP_PKEY *key;  /* where the library puts a decoded key */
    bool is_locked; /* a passphrase was asked for */
};

/* Nobody can be asked for a passphrase. */
static int on_passphrase(char *room, int bytes, int for_writing, void *is_locked)
{
    *(bool *)is_locked = true;
    return tls_pem_no_password(room, bytes, for_writing, NULL);
}

static EVP_PKEY *decode(struct decoder *decoder, struct slice bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.start;
    size_t left = bytes.length;

    if (decoder->context == NULL) {
        decoder->context =
            OSSL_DECODER_CTX_new_for_pkey(&decoder->key, decoder->input, decoder->structure,
                                          decoder->type, decoder->selection, NULL, NULL);
        if (decoder->context == NULL)
            return NULL;
        OSSL_DECODER_CTX_set_pem_password_cb(decoder->context, on_passphrase, &decoder->is_locked);
    }
    decoder->key = NULL;
    decoder->is_locked = false;
    if (OSSL_DECODER_from_data(decoder->context, &at, &left) == 1 && decoder->key != NULL)
        return decoder->key;
    OSSL_DECODER_CTX_free(decoder->context); /* it might remember the failure */
    decoder->context = NULL;
    return NULL;
}

/* From the first line of the first key; empty: there is no key. */
static struct slice find_key(struct slice pem)
{
    static const char mark[] = "PRIVATE KEY-----", begin[] = "-----BEGIN ";
    const char *at = memmem(pem.start, pem.length, mark, sizeof mark - 1);

    while (at != NULL && at > pem.start && at[-1] != '\n')
        at--;
    if (at == NULL || !slice_begins((struct slice){at, pem.length - (size_t)(at - pem.start)},
                                    (struct slice){begin, sizeof begin - 1}))
        return SLICE("");
    return (struct slice){at, pem.length - (size_t)(at - pem.start)};
}

bool tls_pem_has_key(struct slice pem)
{
    return find_key(pem).length > 0;
}

/* Four of five certificates have such a key, and among all decoders it is the last one tried. */
static bool is_ecdsa(const X509 *certificate)
{
    ASN1_OBJECT *algorithm;

    return X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL,
                                  X509_get_X509_PUBKEY(certificate)) == 1 &&
           OBJ_obj2nid(algorithm) == EVP_PKEY_EC;
}

EVP_PKEY *tls_pem_key(struct slice pem, const X509 *certificate, bool *is_locked)
{
    static struct decoder any = {.input = "PEM", .selection = OSSL_KEYMGMT_SELECT_KEYPAIR},
                          ecdsa = {.input = "PEM",
                                   .type = "EC",
                                   .selection = OSSL_KEYMGMT_SELECT_KEYPAIR};
    struct slice found = find_key(pem);
    EVP_PKEY *key = NULL;

    tls_library_begin_secret();
    if (is_ecdsa(certificate))
        key = decode(&ecdsa, found);
    if (key == NULL)
        key = decode(&any, found);
    tls_library_end_secret();
    *is_locked = any.is_locked;
    return key;
}

EVP_PKEY *tls_pem_public_key(X509 *certificate)
{
    static struct decoder decoder = {
        .input = "DER", .structure = "SubjectPublicKeyInfo", .selection = EVP_PKEY_PUBLIC_KEY};
    unsigned char *der = NULL;
    int bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    EVP_PKEY *key = NULL;

    if (bytes > 0)
        key = decode(&decoder, (struct slice){(const char *)der, (size_t)bytes});
    OPENSSL_free(der);
    return key;
}
