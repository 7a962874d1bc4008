#include "net/tls_site.h"

#include "base/mem.h"
#include "net/tls_library.h"
#include "net/tls_pem.h"
#include "net/tls_tickets.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

/* Mozilla's "intermediate" (server-side-tls, 5.7), without its DHE ciphers: an exchange with 2,048
 * bits takes three milliseconds. */
#define CIPHERS                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* Mozilla's order; OpenSSL's own has the cipher first that costs most. */
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS      "X25519:P-256:P-384"
/* From OpenSSL 3.5 on: what is sent today stays secret from the quantum computers of tomorrow. */
#define GROUPS_3_5 "X25519MLKEM768:" GROUPS

enum { CLIENT_CHAIN_BYTES = 16384, LIST_BYTES_SHOWN = 80 };

/* Our order counts: http/1.0 is chosen if the client does not offer http/1.1. */
#define H1 "\x08http/1.1\x08http/1.0"
#define H2 "\x02h2"

/* By enum tls_alpn. */
static const struct slice protocols[] = {
    {H2 H1, sizeof H2 H1 - 1}, {H1 H2, sizeof H1 H2 - 1}, {H1, sizeof H1 - 1}, {H2, sizeof H2 - 1}};

/* --- certificates of clients --- */

/* Any certificate passes the handshake: the script decides. */
static int accept_any(int is_right, X509_STORE_CTX *store)
{
    (void)is_right;
    (void)store;
    return 1;
}

static bool add_authorities(SSL_CTX *context, X509_STORE *store, struct slice pem)
{
    STACK_OF(X509) *list = tls_pem_certificates(pem);
    bool is_right = list != NULL;

    for (int i = 0; is_right && i < sk_X509_num(list); i++)
        is_right = X509_STORE_add_cert(store, sk_X509_value(list, i)) == 1 &&
                   SSL_CTX_add_client_CA(context, sk_X509_value(list, i)) == 1;
    sk_X509_pop_free(list, X509_free);
    return is_right;
}

static bool add_revocations(X509_STORE *store, struct slice pem)
{
    BIO *bio = tls_pem_bio(pem);
    bool is_right = bio != NULL;
    unsigned count = 0;
    X509_CRL *crl;

    tls_library_forget_errors();
    while (is_right &&
           (crl = PEM_read_bio_X509_CRL(bio, NULL, tls_pem_no_password, NULL)) != NULL) {
        is_right = X509_STORE_add_crl(store, crl) == 1;
        X509_CRL_free(crl);
        count++;
    }
    BIO_free(bio);
    if (!is_right || count == 0 || !tls_pem_is_over())
        return false;
    tls_library_forget_errors();
    return X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;
}

static bool verify_clients(SSL_CTX *context, const struct tls_client_rules *rules,
                           struct buffer *error)
{
    bool is_required = rules->verify == TLS_VERIFY_REQUIRE;
    X509_STORE *store = SSL_CTX_get_cert_store(context); /* the context's own, empty so far */

    if (rules->verify == TLS_VERIFY_NONE)
        return true;
    if (!add_authorities(context, store, rules->ca)) {
        tls_pem_explain(error, "the certificates of client.ca cannot be used");
        return false;
    }
    if (rules->crl.length > 0 && !add_revocations(store, rules->crl)) {
        tls_pem_explain(error, "client.crl cannot be used");
        return false;
    }
    SSL_CTX_set_max_cert_list(context, CLIENT_CHAIN_BYTES);
    if (rules->depth > 0)
        SSL_CTX_set_verify_depth(context, (int)rules->depth);
    SSL_CTX_set_verify(context,
                       SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       is_required ? NULL : accept_any);
    return true;
}

/* --- the rest --- */

/* A client that offers none of our protocols is refused (RFC 7301, 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *length,
                           const unsigned char *offered, unsigned offered_length, void *data)
{
    const struct slice *ours = data;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, length, (const unsigned char *)ours->start,
                              (unsigned)ours->length, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool refuse_list(struct buffer *error, const char *before, struct slice list,
                        const char *behind)
{
    bool is_long = list.length > LIST_BYTES_SHOWN;

    tls_library_forget_errors();
    if (error != NULL)
        buffer_printf(error, "%s '%.*s%s'%s", before, is_long ? LIST_BYTES_SHOWN : (int)list.length,
                      list.start, is_long ? ".." : "", behind);
    return false;
}

static bool refuse_ciphers(struct buffer *error, struct slice list)
{
    return refuse_list(error, "ciphers: OpenSSL knows no cipher of TLS 1.2 in", list,
                       ": write names as ECDHE-RSA-AES128-GCM-SHA256; those of TLS 1.3 cannot be "
                       "chosen");
}

/* Does the word alone find a cipher? A command ("@SECLEVEL=1") does not, nor need a word that
 * excludes some ("!MD5"): newer libraries have none of these. */
static bool finds_ciphers(SSL_CTX *context, struct slice word)
{
    char text[LIST_BYTES_SHOWN];

    if (word.length > 0 && word.start[0] == '+')
        word = (struct slice){word.start + 1, word.length - 1};
    if (word.length == 0 || strchr("!-@", word.start[0]) != NULL)
        return true;
    if (word.length >= sizeof text)
        return false;
    memcpy(text, word.start, word.length);
    text[word.length] = '\0';
    return SSL_CTX_set_cipher_list(context, text) == 1;
}

/* The library itself skips words that it does not know, as long as it knows one. */
static bool each_finds_ciphers(SSL_CTX *context, const char *list, struct buffer *error)
{
    for (const char *at = list; *at != '\0';) {
        struct slice word = {at, strcspn(at, ":;, ")};

        if (!finds_ciphers(context, word))
            return refuse_ciphers(error, word);
        at += word.length;
        at += *at != '\0';
    }
    return true;
}

const char *tls_site_groups(const struct tls_site_rules *rules)
{
    if (rules->groups != NULL)
        return rules->groups;
    return OpenSSL_version_num() >= 0x30500000 ? GROUPS_3_5 : GROUPS;
}

/* error: each word is looked at, which takes a while. */
static bool set_ciphers(SSL_CTX *context, const struct tls_site_rules *rules, struct buffer *error)
{
    const char *ciphers = rules->ciphers != NULL ? rules->ciphers : CIPHERS;
    const char *groups = tls_site_groups(rules);

    if (error != NULL && !each_finds_ciphers(context, ciphers, error))
        return false;
    if (SSL_CTX_set_ciphersuites(context, CIPHERS_1_3) != 1)
        return refuse_list(error, "OpenSSL does not know all ciphers in", SLICE(CIPHERS_1_3), "");
    if (SSL_CTX_set_cipher_list(context, ciphers) != 1)
        return refuse_ciphers(error, slice_of(ciphers));
    if (SSL_CTX_set1_groups_list(context, groups) != 1)
        return refuse_list(error, "groups: OpenSSL does not know all names in", slice_of(groups),
                           ": write a list as '" GROUPS "'");
    return true;
}

static void set_modes(SSL_CTX *context, const struct tls_site_rules *rules)
{
    bool is_late = rules->min_version == TLS_VERSION_1_3;

    SSL_CTX_set_min_proto_version(context, is_late ? TLS1_3_VERSION : TLS1_2_VERSION);
    /* Our order of ciphers counts, but for clients that prefer ChaCha20: these lack AES. */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     (rules->tickets == 0 ? SSL_OP_NO_TICKET : 0));
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, rules->tickets);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol,
                               (void *)(uintptr_t)&protocols[rules->alpn]);
}

/* --- the digest, for tickets --- */

static void add_part(struct sha256 *hash, struct slice part)
{
    const uint64_t length = part.length;

    sha256_add(hash, (struct slice){(const char *)&length, sizeof length});
    if (part.length > 0)
        sha256_add(hash, part);
}

static void digest_of(const struct tls_site_rules *rules, uint8_t digest[SHA256_BYTES])
{
    const uint32_t numbers[] = {rules->client.verify, rules->client.depth, rules->min_version};
    struct sha256 hash;

    sha256_init(&hash);
    add_part(&hash, rules->id);
    add_part(&hash, rules->client.ca);
    add_part(&hash, rules->client.crl);
    add_part(&hash, (struct slice){(const char *)numbers, sizeof numbers});
    sha256_end(&hash, digest);
}

static bool site_fill(SSL_CTX *context, const struct tls_site_rules *rules, struct buffer *error)
{
    uint8_t digest[SHA256_BYTES];

    set_modes(context, rules);
    if (!set_ciphers(context, rules, error) || !verify_clients(context, &rules->client, error))
        return false;
    for (unsigned i = 0; i < rules->certificates_count; i++)
        if (!tls_certificate_use(context, &rules->certificates[i], error))
            return false;
    digest_of(rules, digest);
    if (!tls_tickets_use(context, digest, rules->ticket_keys)) {
        tls_pem_explain(error, "tickets");
        return false;
    }
    return true;
}

SSL_CTX *tls_site_make(const struct tls_site_rules *rules, struct buffer *error)
{
    SSL_CTX *context;

    CHECK(rules->certificates_count > 0 && rules->certificates_count <= TLS_CERTIFICATES_MAX);
    tls_library_forget_errors();
    context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        tls_pem_explain(error, "TLS");
        return NULL;
    }
    if (site_fill(context, rules, error))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

void tls_site_list_ciphers(const struct tls_site_rules *rules, struct buffer *out)
{
    SSL_CTX *context = tls_site_make(rules, NULL);
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;
    STACK_OF(SSL_CIPHER) *list = ssl != NULL ? SSL_get1_supported_ciphers(ssl) : NULL;

    for (int i = 0; i < sk_SSL_CIPHER_num(list); i++)
        buffer_printf(out, "%s%s", i > 0 ? ":" : "",
                      SSL_CIPHER_get_name(sk_SSL_CIPHER_value(list, i)));
    sk_SSL_CIPHER_free(list);
    SSL_free(ssl);
    SSL_CTX_free(context);
    tls_library_forget_errors();
}

void tls_site_free(SSL_CTX *context)
{
    SSL_CTX_free(context);
}
