#include "net/tls_certificate.h"

#include "net/tls_library.h"
#include "net/tls_names.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
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

/* Nobody can be asked for a passphrase. */
static int on_passphrase(char *room, int bytes, int for_writing, void *asked)
{
    (void)room;
    (void)bytes;
    (void)for_writing;
    *(bool *)asked = true;
    return -1;
}

/* The library needs a millisecond to find its decoders: that is done once for all keys. */
static struct {
    OSSL_DECODER_CTX *context;
    EVP_PKEY *key; /* where the library puts a decoded key */
    bool was_asked;
} decoder;

static bool decode(BIO *bio)
{
    if (decoder.context == NULL) {
        decoder.context = OSSL_DECODER_CTX_new_for_pkey(&decoder.key, "PEM", NULL, NULL,
                                                        OSSL_KEYMGMT_SELECT_KEYPAIR, NULL, NULL);
        if (decoder.context == NULL)
            return false;
        OSSL_DECODER_CTX_set_pem_password_cb(decoder.context, on_passphrase, &decoder.was_asked);
    }
    decoder.key = NULL;
    decoder.was_asked = false;
    if (OSSL_DECODER_from_bio(decoder.context, bio) == 1 && decoder.key != NULL)
        return true;
    OSSL_DECODER_CTX_free(decoder.context); /* it might remember the failure */
    decoder.context = NULL;
    return false;
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

static EVP_PKEY *read_key(const struct tls_certificate *certificate, struct buffer *wrong)
{
    struct slice found = find_key(certificate->key);
    BIO *bio;
    bool is_read;

    if (found.length == 0) {
        fail_empty(certificate->key, wrong, "private key");
        if (certificate->key.start == certificate->chain.start)
            fail(wrong, ": with the key in another file write { cert = \"fullchain.pem\", "
                        "key = \"privkey.pem\" }");
        return NULL;
    }
    bio = BIO_new_mem_buf(found.start, (int)found.length);
    CHECK(bio != NULL);
    is_read = decode(bio);
    BIO_free(bio);
    if (is_read)
        return decoder.key;
    if (decoder.was_asked)
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

static STACK_OF(X509) * read_chain(struct slice pem, struct buffer *wrong)
{
    BIO *bio = BIO_new_mem_buf(pem.start, (int)pem.length);
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *next;
    unsigned long error;

    while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        sk_X509_push(chain, next);
    BIO_free(bio);
    error = ERR_peek_last_error();
    if (ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
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
        bits >= SIGNATURE_BITS_MIN || X509_check_issued(certificate, certificate) == X509_V_OK)
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

static bool fail_of_key(STACK_OF(X509) * chain, EVP_PKEY *key, struct buffer *wrong,
                        enum tls_fault *fault)
{
    for (int i = 1; i < sk_X509_num(chain); i++)
        if (X509_check_private_key(sk_X509_value(chain, i), key) == 1) {
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
    if (X509_check_private_key(first, key) != 1)
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
    key = read_key(certificate, wrong);
    is_right = key != NULL && check_both(chain, key, facts, names, wrong, fault);
    EVP_PKEY_free(key);
    tls_library_end_secret();
    sk_X509_pop_free(chain, X509_free);
    ERR_clear_error();
    return is_right;
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
