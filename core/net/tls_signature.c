#include "net/tls_signature.h"

#include "base/check.h"
#include "base/sha256.h"
#include "net/tls_library.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

enum {
    KEYS_KEPT = 32,
    RSA_BITS_MIN = 2048, /* RFC 7518, 3.3 */
    RSA_BITS_MAX = 8192,
    RSA_EXPONENT_BITS_MAX = 64, /* with a longer one a check takes as long as a signature */
    P256_BYTES = 32,            /* of a coordinate, and of each half of a signature */
    ED25519_BYTES = 32,
    DER_BYTES = 80, /* of a signature with P-256: 72 */
};

struct asked {
    uint32_t algorithm;
    bool is_pem;
    struct slice key, key_rest, text, signature;
};

/* --- a key in PEM --- */

static EVP_PKEY *key_of_certificate(const unsigned char *der, long length)
{
    X509 *certificate = d2i_X509(NULL, &der, length);
    EVP_PKEY *key = certificate != NULL ? X509_get_pubkey(certificate) : NULL;

    X509_free(certificate);
    return key;
}

/* The first block counts. A private key is refused: it has no place in a script. */
static EVP_PKEY *read_pem(struct slice pem, const char **why)
{
    BIO *bio = BIO_new_mem_buf(pem.start, pem.length < INT_MAX ? (int)pem.length : INT_MAX);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    const unsigned char *at;
    EVP_PKEY *key = NULL;
    long length = 0;

    *why = "it is no PEM";
    if (bio != NULL && PEM_read_bio(bio, &name, &header, &der, &length) == 1) {
        at = der;
        *why = "its PEM cannot be read";
        if (strcmp(name, PEM_STRING_PUBLIC) == 0)
            key = d2i_PUBKEY(NULL, &at, length);
        else if (strcmp(name, PEM_STRING_X509) == 0)
            key = key_of_certificate(der, length);
        else
            *why = "its PEM is neither a PUBLIC KEY nor a CERTIFICATE";
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(bio);
    return key;
}

/* --- a key by its numbers --- */

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *numbers)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(numbers);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (parameters == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    OSSL_PARAM_free(parameters);
    EVP_PKEY_CTX_free(context);
    return key;
}

static BIGNUM *number_of(struct slice bytes)
{
    return BN_bin2bn((const unsigned char *)bytes.start, (int)bytes.length, NULL);
}

static EVP_PKEY *make_rsa(struct slice n, struct slice e, const char **why)
{
    OSSL_PARAM_BLD *numbers = OSSL_PARAM_BLD_new();
    BIGNUM *modulus, *exponent;
    EVP_PKEY *key = NULL;

    *why = "n has more than 8192 bits";
    if (n.length > RSA_BITS_MAX / 8 || e.length > RSA_BITS_MAX / 8) {
        OSSL_PARAM_BLD_free(numbers);
        return NULL;
    }
    *why = "n and e make no key";
    modulus = number_of(n);
    exponent = number_of(e);
    if (numbers != NULL && modulus != NULL && exponent != NULL &&
        OSSL_PARAM_BLD_push_BN(numbers, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(numbers, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        key = make_key("RSA", numbers);
    BN_free(modulus);
    BN_free(exponent);
    OSSL_PARAM_BLD_free(numbers);
    return key;
}

/* The library refuses a point that is not on the curve. */
static EVP_PKEY *make_p256(struct slice x, struct slice y, const char **why)
{
    unsigned char point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM_BLD *numbers;
    EVP_PKEY *key = NULL;

    *why = "x and y have 32 bytes each";
    if (x.length != P256_BYTES || y.length != P256_BYTES)
        return NULL;
    *why = "x and y are no point of P-256";
    memcpy(point + 1, x.start, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.start, P256_BYTES);
    numbers = OSSL_PARAM_BLD_new();
    if (numbers != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(numbers, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
                                        0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(numbers, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) ==
            1)
        key = make_key("EC", numbers);
    OSSL_PARAM_BLD_free(numbers);
    return key;
}

static EVP_PKEY *make_ed25519(struct slice x, const char **why)
{
    *why = "x has 32 bytes";
    if (x.length != ED25519_BYTES)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.start,
                                       x.length);
}

static EVP_PKEY *make(const struct asked *s, const char **why)
{
    switch ((enum tls_signature_algorithm)s->algorithm) {
    case TLS_SIGNATURE_RS256:
        return make_rsa(s->key, s->key_rest, why);
    case TLS_SIGNATURE_ES256:
        return make_p256(s->key, s->key_rest, why);
    case TLS_SIGNATURE_EDDSA:
        return make_ed25519(s->key, why);
    default:
        CHECK(false);
    }
}

/* --- does it fit the algorithm? --- */

static const char *objection_to_rsa(const EVP_PKEY *key)
{
    BIGNUM *exponent = NULL;
    int bits;

    if (!EVP_PKEY_is_a(key, "RSA"))
        return "RS256 needs a key of RSA";
    if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN || EVP_PKEY_get_bits(key) > RSA_BITS_MAX)
        return "RS256 needs a key of 2048 to 8192 bits";
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1)
        return "its exponent cannot be read";
    bits = BN_is_odd(exponent) && !BN_is_one(exponent) ? BN_num_bits(exponent) : INT_MAX;
    BN_free(exponent);
    return bits > RSA_EXPONENT_BITS_MAX ? "its exponent is not one of RSA" : NULL;
}

static const char *objection_to_p256(const EVP_PKEY *key)
{
    char group[32] = "";

    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
        strcmp(group, SN_X9_62_prime256v1) != 0)
        return "ES256 needs a key of P-256";
    return NULL;
}

static const char *objection_to(const EVP_PKEY *key, uint32_t algorithm)
{
    if (algorithm == TLS_SIGNATURE_RS256)
        return objection_to_rsa(key);
    if (algorithm == TLS_SIGNATURE_ES256)
        return objection_to_p256(key);
    return EVP_PKEY_is_a(key, "ED25519") ? NULL : "EdDSA needs a key of Ed25519";
}

/* --- keys that are kept --- */

struct kept {
    uint8_t digest[SHA256_BYTES]; /* of algorithm, form and bytes */
    EVP_PKEY *key;                /* NULL: a free place */
    uint64_t used;                /* which check used it last */
};

static struct kept kept[KEYS_KEPT];

static void digest_of(const struct asked *s, uint8_t digest[SHA256_BYTES])
{
    const uint64_t numbers[] = {s->algorithm, s->is_pem, s->key.length};
    struct sha256 hash;

    sha256_init(&hash);
    sha256_add(&hash, (struct slice){(const char *)numbers, sizeof numbers});
    sha256_add(&hash, s->key);
    sha256_add(&hash, s->key_rest);
    sha256_end(&hash, digest);
}

/* NULL: it is not kept. */
static struct kept *find(const uint8_t digest[SHA256_BYTES])
{
    for (struct kept *one = kept; one < kept + KEYS_KEPT; one++)
        if (one->key != NULL && memcmp(one->digest, digest, SHA256_BYTES) == 0)
            return one;
    return NULL;
}

/* Takes the key. It gets a free place, or that of the key used the longest ago. */
static struct kept *keep(const uint8_t digest[SHA256_BYTES], EVP_PKEY *key)
{
    struct kept *oldest = kept;

    for (struct kept *one = kept; one < kept + KEYS_KEPT; one++)
        if (one->used < oldest->used)
            oldest = one;
    EVP_PKEY_free(oldest->key);
    memcpy(oldest->digest, digest, SHA256_BYTES);
    oldest->key = key;
    return oldest;
}

/* Borrowed. NULL: *why says why it is of no use. */
static EVP_PKEY *key_of(const struct asked *s, const char **why)
{
    static uint64_t checks;
    uint8_t digest[SHA256_BYTES];
    struct kept *place;

    digest_of(s, digest);
    place = find(digest);
    if (place == NULL) {
        EVP_PKEY *key = s->is_pem ? read_pem(s->key, why) : make(s, why);

        if (key != NULL)
            *why = objection_to(key, s->algorithm);
        if (key == NULL || *why != NULL) {
            EVP_PKEY_free(key);
            return NULL;
        }
        place = keep(digest, key);
    }
    place->used = ++checks;
    return place->key;
}

/* --- the check --- */

/* R and S as the library wants them (RFC 7518, 3.4). The length; 0: there is none. */
static size_t to_der(struct slice signature, unsigned char out[DER_BYTES])
{
    struct slice half = {signature.start + P256_BYTES, P256_BYTES};
    ECDSA_SIG *numbers;
    BIGNUM *r, *s;
    int length = 0;

    if (signature.length != (size_t)2 * P256_BYTES)
        return 0;
    numbers = ECDSA_SIG_new();
    r = number_of((struct slice){signature.start, P256_BYTES});
    s = number_of(half);
    if (numbers != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(numbers, r, s) == 1) {
        length = i2d_ECDSA_SIG(numbers, NULL) <= DER_BYTES ? i2d_ECDSA_SIG(numbers, &out) : 0;
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(numbers);
    return length > 0 ? (size_t)length : 0;
}

static bool check_with(const struct asked *s, EVP_PKEY *key)
{
    const EVP_MD *hash = s->algorithm == TLS_SIGNATURE_EDDSA ? NULL : EVP_sha256();
    const unsigned char *signature = (const unsigned char *)s->signature.start;
    size_t length = s->signature.length;
    unsigned char der[DER_BYTES];
    EVP_MD_CTX *context;
    bool is_right;

    if (s->algorithm == TLS_SIGNATURE_ES256) {
        signature = der;
        length = to_der(s->signature, der);
    }
    context = length > 0 ? EVP_MD_CTX_new() : NULL;
    is_right = context != NULL && EVP_DigestVerifyInit(context, NULL, hash, NULL, key) == 1 &&
               EVP_DigestVerify(context, signature, length, (const unsigned char *)s->text.start,
                                s->text.length) == 1;
    EVP_MD_CTX_free(context);
    return is_right;
}

static const char *check_bounded(const struct asked *s, bool *is_right)
{
    const char *why = "it cannot be read";
    EVP_PKEY *key;

    tls_library_begin_bounded();
    key = key_of(s, &why);
    *is_right = key != NULL && check_with(s, key);
    tls_library_end_bounded();
    tls_library_forget_errors();
    if (!*is_right && tls_library_lacked_memory())
        return "memory is full";
    return key != NULL ? NULL : why;
}

const char *tls_signature_check(const struct tls_signature *given, const char *bytes,
                                bool *is_right)
{
    const struct asked s = {
        given->algorithm,
        given->is_pem,
        {bytes, given->key},
        {bytes + given->key, given->key_rest},
        {bytes + given->key + given->key_rest, given->text},
        {bytes + given->key + given->key_rest + given->text, given->signature},
    };

    CHECK(s.algorithm < TLS_SIGNATURE_ALGORITHMS);
    return check_bounded(&s, is_right);
}
