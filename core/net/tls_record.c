/*
 *   head        type 23, version 0x0303, length      5 bytes, authenticated
 *   sealed      content, its type, zeros             as long as that
 *   tag                                              16 bytes
 */
#include "net/tls_record.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <string.h>

enum {
    LEGACY_VERSION = 0x0303,
    SEALED_MIN = 1 + TLS_RECORD_TAG_BYTES,
    SEALED_MAX = TLS_RECORD_CONTENT_MAX + 256,
    COPIED_MAX = 1024, /* up to here one more copy is cheaper than one more call */
};

struct way { /* of one suite: to seal, or to open */
    EVP_CIPHER_CTX *context;
    uint64_t keyed; /* with the key of that id */
};

static struct suite {
    uint16_t number;
    uint8_t key_bytes, secret_bytes;
    const char *cipher, *digest, *name;
    struct way seal, open;
    EVP_MAC_CTX *hmac;
    bool is_known;
} suites[] = {
    {.number = 0x1301, 16, 32, "AES-128-GCM", "SHA256", "TLS_AES_128_GCM_SHA256"},
    {.number = 0x1302, 32, 48, "AES-256-GCM", "SHA384", "TLS_AES_256_GCM_SHA384"},
    {.number = 0x1303, 32, 32, "ChaCha20-Poly1305", "SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
};

enum { SUITES = sizeof suites / sizeof *suites };

static const uint8_t no_key[TLS_SECRET_BYTES_MAX];

/* --- OpenSSL's part --- */

static bool way_prepare(struct way *way, EVP_CIPHER *cipher, int seals)
{
    way->context = cipher != NULL ? EVP_CIPHER_CTX_new() : NULL;
    return way->context != NULL &&
           EVP_CipherInit_ex2(way->context, cipher, no_key, no_key, seals, NULL) == 1;
}

static bool hmac_prepare(struct suite *suite)
{
    const OSSL_PARAM digest[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)suite->digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    suite->hmac = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    return suite->hmac != NULL && EVP_MAC_init(suite->hmac, no_key, sizeof no_key, digest) == 1;
}

static void suite_prepare(struct suite *suite)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, suite->cipher, NULL);

    suite->is_known = way_prepare(&suite->seal, cipher, 1) &&
                      way_prepare(&suite->open, cipher, 0) && hmac_prepare(suite);
    EVP_CIPHER_free(cipher);
}

bool tls_record_prepare(void)
{
    static bool is_prepared;
    bool is_known = false;

    for (unsigned i = 0; i < SUITES; i++) {
        if (!is_prepared)
            suite_prepare(&suites[i]);
        is_known |= suites[i].is_known;
    }
    is_prepared = true;
    return is_known;
}

static struct suite *suite_find(uint16_t number)
{
    for (unsigned i = 0; i < SUITES; i++)
        if (suites[i].number == number && suites[i].is_known)
            return &suites[i];
    return NULL;
}

uint16_t tls_keys_suite(const struct tls_keys *keys)
{
    return suites[keys->suite].number;
}

const char *tls_record_cipher(uint16_t number)
{
    const struct suite *suite = suite_find(number);

    return suite != NULL ? suite->name : "";
}

unsigned tls_record_secret_bytes(uint16_t number)
{
    const struct suite *suite = suite_find(number);

    return suite != NULL ? suite->secret_bytes : 0;
}

/* --- keys --- */

/* HKDF-Expand-Label (RFC 8446, 7.1) without a context. What is asked for is not longer than the
 * hash, so that HKDF-Expand (RFC 5869, 2.3) is its first block alone. secret: NULL is the one of
 * the call before. out: it may be the secret. */
static bool expand(const struct suite *suite, const uint8_t *secret, const char *label,
                   uint8_t *out, size_t bytes)
{
    uint8_t info[64], block[EVP_MAX_MD_SIZE];
    size_t label_bytes = strlen(label), length = 0, got = 0;
    bool is_right;

    CHECK(suite->is_known && bytes <= suite->secret_bytes && label_bytes <= 32);
    info[length++] = 0;
    info[length++] = (uint8_t)bytes;
    info[length++] = (uint8_t)(6 + label_bytes);
    memcpy(info + length, "tls13 ", 6);
    memcpy(info + length + 6, label, label_bytes);
    length += 6 + label_bytes;
    info[length++] = 0; /* no context */
    info[length++] = 1; /* the first block */
    is_right =
        EVP_MAC_init(suite->hmac, secret, secret != NULL ? suite->secret_bytes : 0, NULL) == 1 &&
        EVP_MAC_update(suite->hmac, info, length) == 1 &&
        EVP_MAC_final(suite->hmac, block, &got, sizeof block) == 1 && got >= bytes;
    if (is_right)
        memcpy(out, block, bytes);
    OPENSSL_cleanse(block, sizeof block);
    return is_right;
}

/* From keys->secret. */
static bool keys_derive(struct tls_keys *keys)
{
    static uint64_t last_id;
    const struct suite *suite = &suites[keys->suite];
    bool is_right = expand(suite, keys->secret, "key", keys->key, suite->key_bytes) &&
                    expand(suite, NULL, "iv", keys->iv, TLS_IV_BYTES);

    (void)EVP_MAC_init(suite->hmac, no_key, suite->secret_bytes, NULL); /* forgets the secret */
    if (is_right) { /* else the numbers go on: none serves twice with a key */
        keys->id = ++last_id;
        keys->sequence = 0;
    }
    return is_right;
}

bool tls_keys_set(struct tls_keys *keys, uint16_t number, const uint8_t *secret)
{
    const struct suite *suite = suite_find(number);

    if (suite == NULL)
        return false;
    keys->suite = (uint8_t)(suite - suites);
    memmove(keys->secret, secret, suite->secret_bytes);
    return keys_derive(keys);
}

/* The contexts forget the key, if they have it. */
static void keys_leave(const struct tls_keys *keys)
{
    struct way *ways[] = {&suites[keys->suite].seal, &suites[keys->suite].open};

    for (unsigned i = 0; i < 2; i++) {
        if (keys->id == 0 || ways[i]->keyed != keys->id)
            continue;
        ways[i]->keyed = 0;
        (void)EVP_CipherInit_ex2(ways[i]->context, NULL, no_key, no_key, -1, NULL);
    }
}

bool tls_keys_update(struct tls_keys *keys)
{
    const struct suite *suite = &suites[keys->suite];

    keys_leave(keys);
    return expand(suite, keys->secret, "traffic upd", keys->secret, suite->secret_bytes) &&
           keys_derive(keys);
}

void tls_keys_wipe(struct tls_keys *keys)
{
    keys_leave(keys);
    OPENSSL_cleanse(keys, sizeof *keys);
}

/* The context gets the key, if it does not have it, and the nonce of the next record (RFC 8446,
 * 5.3), whose number is used up by that. */
static bool way_turn(struct way *way, struct tls_keys *keys)
{
    const uint8_t *key = way->keyed == keys->id ? NULL : keys->key;
    uint8_t nonce[TLS_IV_BYTES];

    CHECK(keys->id != 0 && keys->sequence < UINT64_MAX);
    memcpy(nonce, keys->iv, sizeof nonce);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] ^= (uint8_t)(keys->sequence >> (56 - 8 * i));
    keys->sequence++;
    way->keyed = 0; /* if it fails the context has no key that counts */
    if (EVP_CipherInit_ex2(way->context, NULL, key, nonce, -1, NULL) != 1)
        return false;
    way->keyed = keys->id;
    return true;
}

/* --- out --- */

static bool update(EVP_CIPHER_CTX *context, uint8_t *out, const void *in, size_t bytes)
{
    int got = 0;

    return EVP_CipherUpdate(context, out, &got, in, (int)bytes) == 1 && got == (int)bytes;
}

/* Content and type, which are sealed as one. */
static bool seal_inner(EVP_CIPHER_CTX *context, uint8_t type, struct slice content, uint8_t *out)
{
    if (content.length > COPIED_MAX)
        return update(context, out, content.start, content.length) &&
               update(context, out + content.length, &type, 1);
    if (content.length > 0)
        memcpy(out, content.start, content.length);
    out[content.length] = type;
    return update(context, out, out, content.length + 1);
}

size_t tls_record_seal(struct tls_keys *keys, enum tls_record_type type, struct slice content,
                       char *to)
{
    struct way *way = &suites[keys->suite].seal;
    uint8_t *out = (uint8_t *)to, *inner = out + TLS_RECORD_HEAD_BYTES;
    size_t sealed = content.length + SEALED_MIN;
    uint8_t *tag = inner + content.length + 1;
    int none = 0;

    CHECK(content.length <= TLS_RECORD_CONTENT_MAX);
    out[0] = TLS_RECORD_DATA;
    out[1] = LEGACY_VERSION >> 8;
    out[2] = LEGACY_VERSION & 0xff;
    out[3] = (uint8_t)(sealed >> 8);
    out[4] = (uint8_t)sealed;
    if (!way_turn(way, keys) || !update(way->context, NULL, out, TLS_RECORD_HEAD_BYTES) ||
        !seal_inner(way->context, (uint8_t)type, content, inner) ||
        EVP_CipherFinal_ex(way->context, tag, &none) != 1 ||
        EVP_CIPHER_CTX_ctrl(way->context, EVP_CTRL_AEAD_GET_TAG, TLS_RECORD_TAG_BYTES, tag) != 1)
        return 0;
    return TLS_RECORD_HEAD_BYTES + sealed;
}

/* --- in --- */

static const struct tls_flaw flaw_type = {SSL_AD_UNEXPECTED_MESSAGE, "a record that is not sealed"};
static const struct tls_flaw flaw_version = {SSL_AD_DECODE_ERROR, "a record of another version"};
static const struct tls_flaw flaw_large = {SSL_AD_RECORD_OVERFLOW, "a record that is too large"};
static const struct tls_flaw flaw_small = {SSL_AD_DECODE_ERROR, "a record that is too small"};
static const struct tls_flaw flaw_mac = {SSL_AD_BAD_RECORD_MAC, "a record whose tag is wrong"};
static const struct tls_flaw flaw_empty = {SSL_AD_UNEXPECTED_MESSAGE, "a record without a type"};

static const struct tls_flaw *judge_head(const uint8_t *head, size_t sealed)
{
    if (head[0] != TLS_RECORD_DATA)
        return &flaw_type;
    if (head[1] != LEGACY_VERSION >> 8 || head[2] != (LEGACY_VERSION & 0xff))
        return &flaw_version;
    if (sealed > SEALED_MAX)
        return &flaw_large;
    return sealed < SEALED_MIN ? &flaw_small : NULL;
}

size_t tls_record_measure(struct slice bytes, const struct tls_flaw **flaw)
{
    const uint8_t *head = (const uint8_t *)bytes.start;
    size_t sealed;

    *flaw = NULL;
    if (bytes.length < TLS_RECORD_HEAD_BYTES)
        return 0;
    sealed = (size_t)head[3] << 8 | head[4];
    *flaw = judge_head(head, sealed);
    return TLS_RECORD_HEAD_BYTES + sealed;
}

/* Behind the content is its type, and behind that are zeros. */
static const struct tls_flaw *find_content(const char *inner, size_t length,
                                           struct tls_content *content)
{
    if (length > TLS_RECORD_CONTENT_MAX + 1)
        return &flaw_large;
    while (length > 0 && inner[length - 1] == 0)
        length--;
    if (length == 0)
        return &flaw_empty;
    content->type = (uint8_t)inner[length - 1];
    content->bytes = (struct slice){inner, length - 1};
    return NULL;
}

const struct tls_flaw *tls_record_open(struct tls_keys *keys, struct slice record, char *out,
                                       struct tls_content *content)
{
    struct way *way = &suites[keys->suite].open;
    size_t inner = record.length - TLS_RECORD_HEAD_BYTES - TLS_RECORD_TAG_BYTES;
    uint8_t tag[TLS_RECORD_TAG_BYTES];
    int none = 0;

    CHECK(record.length >= TLS_RECORD_HEAD_BYTES + SEALED_MIN && inner <= SEALED_MAX);
    memcpy(tag, record.start + TLS_RECORD_HEAD_BYTES + inner, sizeof tag);
    if (!way_turn(way, keys) || !update(way->context, NULL, record.start, TLS_RECORD_HEAD_BYTES) ||
        !update(way->context, (uint8_t *)out, record.start + TLS_RECORD_HEAD_BYTES, inner) ||
        EVP_CIPHER_CTX_ctrl(way->context, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) != 1 ||
        EVP_CipherFinal_ex(way->context, (uint8_t *)out + inner, &none) != 1) {
        OPENSSL_cleanse(out, inner); /* nobody has vouched for these bytes */
        return &flaw_mac;
    }
    return find_content(out, inner, content);
}
