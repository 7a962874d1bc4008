#include "net/tls_certificate.h"

#include "net/tls_library.h"
#include "net/tls_names.h"
#include "net/tls_pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { RSA_BITS_MIN = 2048, SIGNATURE_BITS_MIN = 112, CHAIN_MAX = 10, CURVE_BYTES = 64 };

const char *tls_key_name(enum tls_key key)
{
    static const char *const names[] = {
        [TLS_KEY_RSA] = "RSA", [TLS_KEY_ECDSA] = "ECDSA", [TLS_KEY_ED25519] = "Ed25519"};

    return names[key];
}

static bool fail(struct buffer *wrong, const char *words)
{
    buffer_append_text(wrong, words);
    return false;
}

/* The library's words for its last error. */
static const char *reason(void)
{
    const char *words = ERR_reason_error_string(ERR_peek_last_error());

    return words != NULL ? words : "it is not readable";
}

/* --- files that are no PEM --- */

/* Names the format of a DER file. NULL: the file is PEM, or its format is unknown. */
static const char *words_of_der(struct slice file)
{
    static const struct {
        const ASN1_ITEM *(*item)(void);
        const char *words;
    } known[] = {
        {X509_it, "it is DER, and lb reads PEM: openssl x509 -inform DER -in old.crt -out new.crt"},
        {X509_CRL_it,
         "it is DER, and lb reads PEM: openssl crl -inform DER -in old.crl -out new.crl"},
        {PKCS7_it,
         "it is PKCS#7, and lb reads PEM: openssl pkcs7 -inform DER -print_certs -in old.p7b "
         "-out new.pem"},
        {PKCS12_it,
         "it is PKCS#12, and lb reads PEM: openssl pkcs12 -nodes -in old.p12 -out new.pem"},
    };
    const unsigned char *at = (const unsigned char *)file.start;
    EVP_PKEY *key;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const ASN1_ITEM *item = known[i].item();
        ASN1_VALUE *value;

        at = (const unsigned char *)file.start;
        value = ASN1_item_d2i(NULL, &at, (long)file.length, item);
        ASN1_item_free(value, item);
        if (value != NULL)
            return known[i].words;
    }
    at = (const unsigned char *)file.start;
    key = d2i_AutoPrivateKey(NULL, &at, (long)file.length);
    EVP_PKEY_free(key);
    return key == NULL ? NULL
                       : "it is DER, and lb reads PEM: openssl pkey -inform DER -in old.key "
                         "-out new.key";
}

static bool fail_empty(struct slice file, struct buffer *wrong, const char *what)
{
    const char *words = words_of_der(file);

    if (words != NULL)
        buffer_append_text(wrong, words);
    else
        buffer_printf(wrong, "there is no %s in it", what);
    return false;
}

/* --- the key --- */

static EVP_PKEY *read_key(const struct tls_certificate *certificate, const X509 *own,
                          struct buffer *wrong)
{
    EVP_PKEY *key;
    bool is_locked;

    if (!tls_pem_has_key(certificate->key)) {
        fail_empty(certificate->key, wrong, "private key");
        if (certificate->key.start == certificate->chain.start)
            fail(wrong, ": with the key in another file write { cert = \"fullchain.pem\", "
                        "key = \"privkey.pem\" }");
        return NULL;
    }
    key = tls_pem_key(certificate->key, own, &is_locked);
    if (key != NULL)
        return key;
    if (is_locked)
        fail(wrong, "the private key is encrypted: lb has no passphrase for it, write it without "
                    "one (openssl pkey -in old.key -out new.key)");
    else
        fail(wrong, "the private key in it cannot be read (is it damaged?)");
    return NULL;
}

/* The curves that all clients have. */
static bool is_common_curve(EVP_PKEY *key, char *curve, size_t room)
{
    if (EVP_PKEY_get_group_name(key, curve, room, NULL) != 1)
        return false;
    return strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0 ||
           strcmp(curve, "secp521r1") == 0;
}

static bool check_key(EVP_PKEY *key, struct tls_facts *facts, struct buffer *wrong)
{
    char curve[CURVE_BYTES] = "";

    facts->bits = (unsigned)EVP_PKEY_get_bits(key);
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        facts->key = TLS_KEY_RSA;
        if (facts->bits >= RSA_BITS_MIN)
            return true;
        buffer_printf(wrong, "an RSA key of %u bits is too short: clients want %d at least",
                      facts->bits, RSA_BITS_MIN);
        return false;
    case EVP_PKEY_EC:
        facts->key = TLS_KEY_ECDSA;
        if (is_common_curve(key, curve, sizeof curve))
            return true;
        buffer_printf(wrong, "clients do not know the curve '%s': take P-256 (prime256v1)", curve);
        return false;
    case EVP_PKEY_ED25519:
        facts->key = TLS_KEY_ED25519;
        return true;
    default:
        return fail(wrong, "the key is neither RSA, ECDSA nor Ed25519");
    }
}

/* --- names --- */

static void add_name(struct buffer *names, const ASN1_STRING *text)
{
    struct slice name = {(const char *)ASN1_STRING_get0_data(text),
                         (size_t)ASN1_STRING_length(text)};

    if (!tls_names_is_right(name))
        return;
    buffer_append(names, name);
    buffer_append_byte(names, '\0');
}

static void add_common_name(X509 *certificate, struct buffer *names)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at >= 0)
        add_name(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static void read_names(X509 *certificate, struct buffer *names)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool has_any = false;

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);

        if (one->type != GEN_DNS)
            continue;
        has_any = true;
        add_name(names, one->d.dNSName);
    }
    GENERAL_NAMES_free(all);
    if (!has_any)
        add_common_name(certificate, names);
}

/* --- the chain --- */

/* Certificates that signed others, for the next chains: thousands have the same. */
enum { KNOWN = 16 };
static struct {
    X509 *certificate;
    unsigned char *der;
    long bytes;
} known[KNOWN];

/* Takes the bytes. */
static X509 *read_signer(unsigned char *der, long bytes)
{
    static unsigned oldest;
    const unsigned char *at = der;
    unsigned i = 0;

    while (i < KNOWN && (known[i].bytes != bytes || memcmp(known[i].der, der, (size_t)bytes) != 0))
        i++;
    if (i == KNOWN) {
        X509 *certificate = d2i_X509(NULL, &at, bytes);

        if (certificate == NULL) {
            OPENSSL_free(der);
            return NULL;
        }
        i = oldest++ % KNOWN;
        X509_free(known[i].certificate);
        OPENSSL_free(known[i].der);
        known[i].certificate = certificate;
        known[i].der = der;
        known[i].bytes = bytes;
    } else {
        OPENSSL_free(der);
    }
    X509_up_ref(known[i].certificate);
    return known[i].certificate;
}

/* Of a certificate that signs no other the public key is looked at by is_key_of alone. The library
 * decodes it with the certificate, which is most of the work; it finds no decoder here. */
static X509 *read_own(unsigned char *der, long bytes)
{
    static OSSL_LIB_CTX *bare;
    const unsigned char *at = der;
    X509 *certificate;

    if (bare == NULL) {
        bare = OSSL_LIB_CTX_new();
        CHECK(bare != NULL && OSSL_PROVIDER_load(bare, "null") != NULL);
    }
    certificate = X509_new_ex(bare, NULL);
    CHECK(certificate != NULL);
    if (d2i_X509(&certificate, &at, bytes) == NULL)
        certificate = NULL; /* the library has freed it */
    OPENSSL_free(der);
    return certificate;
}

static STACK_OF(X509) * read_chain(struct slice pem, struct buffer *wrong)
{
    BIO *bio = tls_pem_bio(pem);
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *next = NULL;
    unsigned char *der;
    long bytes;

    while (PEM_bytes_read_bio(&der, &bytes, NULL, PEM_STRING_X509, bio, tls_pem_no_password,
                              NULL) == 1) {
        next = sk_X509_num(chain) == 0 ? read_own(der, bytes) : read_signer(der, bytes);
        if (next == NULL)
            break;
        sk_X509_push(chain, next);
    }
    BIO_free(bio);
    if (!tls_pem_is_over())
        buffer_printf(wrong, "certificate %d in it cannot be read (is it damaged?): %s",
                      sk_X509_num(chain) + 1, reason());
    else if (sk_X509_num(chain) == 0)
        fail_empty(pem, wrong, "certificate");
    else if (sk_X509_num(chain) > CHAIN_MAX)
        fail(wrong, "more than 10 certificates are no chain: one file for each site");
    else
        return chain;
    sk_X509_pop_free(chain, X509_free);
    return NULL;
}

/* Nobody checks the signature of a certificate that signs itself. */
static bool check_signature(X509 *certificate, int number, struct buffer *wrong)
{
    int digest, bits;

    if (X509_get_signature_info(certificate, &digest, NULL, &bits, NULL) != 1 ||
        bits >= SIGNATURE_BITS_MIN || (X509_get_extension_flags(certificate) & EXFLAG_SI) != 0)
        return true;
    buffer_printf(wrong,
                  "certificate %d of the chain is signed with %s, which clients do not believe",
                  number, OBJ_nid2sn(digest));
    return false;
}

static bool check_order(STACK_OF(X509) * chain, struct buffer *wrong)
{
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (!check_signature(sk_X509_value(chain, i), i + 1, wrong))
            return false;
    for (int i = 0; i + 1 < sk_X509_num(chain); i++) {
        if (X509_check_issued(sk_X509_value(chain, i + 1), sk_X509_value(chain, i)) == X509_V_OK)
            continue;
        buffer_printf(wrong,
                      "the chain is not in its order: certificate %d did not sign certificate %d; "
                      "the site's own comes first, then the one that signed it",
                      i + 2, i + 1);
        return false;
    }
    return true;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm broken;

    return ASN1_TIME_to_tm(time, &broken) == 1 ? (int64_t)timegm(&broken) : 0;
}

/* A key of ECDSA, whose text is the point: equal points save the decoding of one. */
static bool has_point(X509 *certificate, EVP_PKEY *key)
{
    const ASN1_BIT_STRING *own = X509_get0_pubkey_bitstr(certificate);
    unsigned char *point = NULL;
    size_t bytes = EVP_PKEY_get1_encoded_public_key(key, &point);
    bool is_equal =
        bytes > 0 && bytes == (size_t)own->length && memcmp(point, own->data, bytes) == 0;

    OPENSSL_free(point);
    return is_equal;
}

static bool is_key_of(X509 *certificate, EVP_PKEY *key)
{
    EVP_PKEY *public;
    bool is_equal;

    if (has_point(certificate, key))
        return true;
    public = tls_pem_public_key(certificate);
    is_equal = public != NULL && EVP_PKEY_eq(public, key) == 1;
    EVP_PKEY_free(public);
    return is_equal;
}

static bool fail_of_key(STACK_OF(X509) * chain, EVP_PKEY *key, struct buffer *wrong,
                        enum tls_fault *fault)
{
    for (int i = 1; i < sk_X509_num(chain); i++)
        if (is_key_of(sk_X509_value(chain, i), key)) {
            buffer_printf(wrong,
                          "the certificates are in the wrong order: the key is that of certificate "
                          "%d; the site's own comes first, then the one that signed it",
                          i + 1);
            return false;
        }
    *fault = TLS_FAULT_BOTH;
    return fail(wrong, "the key is not that of the certificate");
}

static bool check_staple(X509 *first, struct buffer *wrong)
{
    if (X509_get_ext_by_NID(first, NID_tlsfeature, -1) >= 0)
        return fail(wrong, "the certificate wants a stapled OCSP answer, and lb has none: ask for "
                           "one without \"must staple\"");
    return true;
}

static bool check_both(STACK_OF(X509) * chain, EVP_PKEY *key, struct tls_facts *facts,
                       struct buffer *names, struct buffer *wrong, enum tls_fault *fault)
{
    X509 *first = sk_X509_value(chain, 0);

    if (!check_key(key, facts, wrong))
        return false;
    *fault = TLS_FAULT_CERTIFICATE;
    if (!is_key_of(first, key))
        return fail_of_key(chain, key, wrong, fault);
    if (!check_staple(first, wrong) || !check_order(chain, wrong))
        return false;
    facts->not_before = seconds_of(X509_get0_notBefore(first));
    facts->not_after = seconds_of(X509_get0_notAfter(first));
    read_names(first, names);
    return true;
}

bool tls_certificate_check(const struct tls_certificate *certificate, struct tls_facts *facts,
                           struct buffer *names, struct buffer *wrong, enum tls_fault *fault)
{
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    bool is_right;

    ERR_clear_error();
    *facts = (struct tls_facts){0};
    *fault = TLS_FAULT_CERTIFICATE;
    chain = read_chain(certificate->chain, wrong);
    if (chain == NULL)
        return false;
    ERR_clear_error();
    *fault = TLS_FAULT_KEY;
    tls_library_begin_secret();
    key = read_key(certificate, sk_X509_value(chain, 0), wrong);
    is_right = key != NULL && check_both(chain, key, facts, names, wrong, fault);
    EVP_PKEY_free(key);
    tls_library_end_secret();
    sk_X509_pop_free(chain, X509_free);
    ERR_clear_error();
    return is_right;
}

bool tls_certificate_use(SSL_CTX *context, const struct tls_certificate *certificate,
                         struct buffer *error)
{
    STACK_OF(X509) *chain = tls_pem_certificates(certificate->chain);
    EVP_PKEY *key = NULL;
    X509 *own = NULL;
    bool is_used = false, is_locked;

    if (chain == NULL) {
        tls_pem_explain(error, "the certificate cannot be read");
        return false;
    }
    own = sk_X509_shift(chain);
    key = tls_pem_key(certificate->key, own, &is_locked);
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

/* --- of clients --- */

bool tls_certificate_check_list(struct slice pem, bool is_crl, struct buffer *wrong)
{
    const char *what = is_crl ? "revocation list" : "certificate";
    BIO *bio = BIO_new_mem_buf(pem.start, (int)pem.length);
    unsigned count = 0;
    bool is_over;

    ERR_clear_error();
    for (;; count++) {
        X509_CRL *list = is_crl ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
        X509 *certificate = is_crl ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (list == NULL && certificate == NULL)
            break;
        X509_CRL_free(list);
        X509_free(certificate);
    }
    is_over = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!is_over)
        buffer_printf(wrong, "%s %u in it cannot be read (is it damaged?): %s", what, count + 1,
                      reason());
    else if (count == 0)
        fail_empty(pem, wrong, what);
    BIO_free(bio);
    ERR_clear_error();
    return is_over && count > 0;
}
