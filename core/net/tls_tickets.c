#include "net/tls_tickets.h"

#include "shared/tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

enum { NAME_BYTES = 16 }; /* a ticket names its key in so many bytes */

struct site_keys { /* derived from one shared key */
    uint8_t seal[SHA256_BYTES], sign[SHA256_BYTES], name[SHA256_BYTES];
};

static const struct segment *segment;

void tls_tickets_share(const struct segment *s)
{
    segment = s;
}

/* --- what a site's context has --- */

struct site_tickets {
    uint8_t digest[SHA256_BYTES];
    unsigned own_count; /* of `own`; 0: the segment has the keys */
    struct tickets_keys own;
};

static void free_site(void *context, void *site, CRYPTO_EX_DATA *data, int index, long number,
                      void *pointer)
{
    (void)context;
    (void)data;
    (void)index;
    (void)number;
    (void)pointer;
    OPENSSL_clear_free(site, sizeof(struct site_tickets));
}

static int index_of_site(void)
{
    static int at = -1;

    if (at < 0)
        at = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_site);
    return at;
}

/* How many there are; 0: none, or they change at this moment. */
static unsigned read_keys(const struct site_tickets *site, struct tickets_keys *out)
{
    if (site->own_count == 0)
        return segment != NULL && tickets_read(segment, out) ? SEGMENT_TICKET_KEYS : 0;
    *out = site->own;
    return site->own_count;
}

/* --- the keys of a site --- */

static void derive(const uint8_t key[], const uint8_t *digest, char purpose, uint8_t *out)
{
    char text[SHA256_BYTES + 1];

    memcpy(text, digest, SHA256_BYTES);
    text[SHA256_BYTES] = purpose;
    sha256_hmac((struct slice){(const char *)key, SEGMENT_TICKET_KEY_BYTES},
                (struct slice){text, sizeof text}, out);
}

static void derive_all(const uint8_t key[], const uint8_t *digest, struct site_keys *out)
{
    derive(key, digest, 'e', out->seal);
    derive(key, digest, 'm', out->sign);
}

static bool use_keys(struct site_keys *keys, const uint8_t *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, keys->sign, sizeof keys->sign),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
           EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, keys->seal, iv, seals) == 1;
}

/* The index of the key with that name; count: there is none. */
static unsigned find_key(const struct tickets_keys *all, unsigned count, const uint8_t *digest,
                         const unsigned char *name)
{
    struct site_keys keys;
    unsigned i;

    for (i = 0; i < count; i++) {
        derive(all->key[i], digest, 'n', keys.name);
        if (CRYPTO_memcmp(keys.name, name, NAME_BYTES) == 0)
            break;
    }
    return i;
}

static bool begin_ticket(const struct tickets_keys *all, const uint8_t *digest, unsigned char *name,
                         unsigned char *iv)
{
    struct site_keys keys;

    derive(all->key[0], digest, 'n', keys.name);
    memcpy(name, keys.name, NAME_BYTES);
    return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1;
}

/* OpenSSL wants 1: done. When it opens a ticket: 2: done, and the client should get a new ticket;
 * 0: no key opens it; negative: the handshake fails. When it seals one: 0: no ticket. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals)
{
    const struct site_tickets *site = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), index_of_site());
    struct tickets_keys all;
    struct site_keys keys;
    unsigned at, count = site != NULL ? read_keys(site, &all) : 0;
    bool is_done;

    if (count == 0)
        return 0;
    if (seals)
        at = begin_ticket(&all, site->digest, name, iv) ? 0 : count;
    else
        at = find_key(&all, count, site->digest, name);
    if (at == count) {
        OPENSSL_cleanse(&all, sizeof all);
        return 0;
    }
    derive_all(all.key[at], site->digest, &keys);
    is_done = use_keys(&keys, iv, cipher, mac, seals);
    OPENSSL_cleanse(&keys, sizeof keys);
    OPENSSL_cleanse(&all, sizeof all);
    if (!is_done)
        return seals ? 0 : -1;
    return at > 0 ? 2 : 1;
}

/* --- sessions that are not resumed --- */

/* The library does not check again whether the client's certificate has expired, and each
 * resumption gives a new ticket: a session might never end. If it has expired, a full handshake
 * decides. */
static SSL_TICKET_RETURN on_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                   size_t name_bytes, SSL_TICKET_STATUS status, void *data)
{
    const X509 *client = session != NULL ? SSL_SESSION_get0_peer(session) : NULL;
    bool is_over = client != NULL &&
                   X509_cmp_current_time(X509_get0_notAfter(client)) <= 0; /* 0: unreadable */

    (void)ssl;
    (void)name;
    (void)name_bytes;
    (void)data;
    if (is_over || (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* --- a context --- */

bool tls_tickets_use(SSL_CTX *context, const uint8_t digest[SHA256_BYTES], struct slice keys)
{
    struct site_tickets *site = OPENSSL_zalloc(sizeof *site);

    if (site == NULL)
        return false;
    CHECK(keys.length <= sizeof site->own);
    memcpy(site->digest, digest, SHA256_BYTES);
    if (keys.length > 0)
        memcpy(&site->own, keys.start, keys.length);
    site->own_count = (unsigned)(keys.length / SEGMENT_TICKET_KEY_BYTES);
    if (SSL_CTX_set_ex_data(context, index_of_site(), site) != 1) {
        OPENSSL_clear_free(site, sizeof *site);
        return false;
    }
    if (segment != NULL || keys.length > 0)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    if (SSL_CTX_set_session_ticket_cb(context, NULL, on_opened, NULL) != 1)
        return false;
    return SSL_CTX_set_session_id_context(context, digest, SHA256_BYTES) == 1;
}
