#include "net/tls_selftest.h"

#include "net/tls_library.h"
#include "net/tls_own.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

enum { FLIGHTS_MAX = 4 };

struct test {
    SSL_CTX *clients, *servers;
    SSL *client, *server;
    BIO *to_client, *from_client; /* the client's */
    struct tls_own *own;
};

/* --- two sides that can talk --- */

static bool certificate_fill(X509 *certificate, EVP_PKEY *key)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -60) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), 60) != NULL &&
           X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool use_certificate(SSL_CTX *context)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool is_used = key != NULL && certificate != NULL && certificate_fill(certificate, key) &&
                   SSL_CTX_use_cert_and_key(context, certificate, key, NULL, 1) == 1;

    X509_free(certificate);
    EVP_PKEY_free(key);
    return is_used;
}

static bool contexts_make(struct test *test)
{
    test->clients = SSL_CTX_new(TLS_client_method());
    test->servers = SSL_CTX_new(TLS_server_method());
    return test->clients != NULL && test->servers != NULL && use_certificate(test->servers) &&
           SSL_CTX_set_min_proto_version(test->clients, TLS1_3_VERSION) == 1;
}

static bool sides_make(struct test *test, const char *suite)
{
    BIO *bio = tls_library_bio();

    test->client = SSL_new(test->clients);
    test->server = SSL_new(test->servers);
    test->to_client = BIO_new(BIO_s_mem());
    test->from_client = BIO_new(BIO_s_mem());
    if (bio == NULL || test->client == NULL || test->server == NULL || test->to_client == NULL ||
        test->from_client == NULL) {
        BIO_free(bio);
        BIO_free(test->to_client);
        BIO_free(test->from_client);
        return false;
    }
    SSL_set_bio(test->server, bio, bio);
    SSL_set_bio(test->client, test->to_client, test->from_client);
    SSL_set_accept_state(test->server);
    SSL_set_connect_state(test->client);
    test->own = tls_own_new(test->server);
    return test->own != NULL && SSL_set_ciphersuites(test->client, suite) == 1;
}

static void sides_free(struct test *test)
{
    tls_own_free(test->own);
    SSL_free(test->server);
    SSL_free(test->client);
    test->own = NULL;
    test->server = test->client = NULL;
    buffer_clear(&tls_wire.out);
    tls_wire.in = SLICE("");
    tls_library_forget_errors();
}

/* --- what they say --- */

static void client_gets(struct test *test)
{
    struct slice sealed = buffer_slice(&tls_wire.out);

    if (sealed.length > 0)
        (void)BIO_write(test->to_client, sealed.start, (int)sealed.length);
    buffer_clear(&tls_wire.out);
}

/* What the client has written, to be read by the server; client_is_heard comes after that. */
static void client_is_read(struct test *test)
{
    char *bytes;
    long length = BIO_get_mem_data(test->from_client, &bytes);

    tls_wire.in = length > 0 ? (struct slice){bytes, (size_t)length} : SLICE("");
}

static void client_is_heard(struct test *test)
{
    (void)BIO_reset(test->from_client);
}

enum shaken { SHAKEN, NOT_SHAKEN, NOT_TAKEN };

static enum shaken shake(struct test *test)
{
    for (unsigned i = 0; i < FLIGHTS_MAX; i++) {
        bool is_taken = false;
        int status;

        (void)SSL_do_handshake(test->client);
        client_is_read(test);
        tls_own_begin(test->own, test->server);
        status = SSL_do_handshake(test->server);
        tls_own_end(test->own, test->server);
        client_is_heard(test);
        if (status == 1)
            is_taken = tls_own_take(test->own, test->server, buffer_slice(&tls_wire.out));
        client_gets(test);
        if (status == 1)
            return is_taken ? SHAKEN : NOT_TAKEN;
    }
    return NOT_SHAKEN;
}

/* The client has written this text; a KeyUpdate may come before it. */
static bool hears(struct test *test, struct slice text)
{
    char room[TLS_OWN_ROOM];
    enum tls_own_result result;
    struct slice plain;
    const char *why;

    client_is_read(test);
    do
        result = tls_own_open(test->own, &tls_wire.in, room, &plain, &why);
    while (result == TLS_OWN_DATA && plain.length == 0);
    client_is_heard(test);
    return result == TLS_OWN_DATA && slice_is(plain, text);
}

static bool is_heard(struct test *test, struct slice text)
{
    char room[64];
    size_t got;

    if (!tls_own_seal(test->own, text))
        return false;
    client_gets(test);
    return SSL_read_ex(test->client, room, sizeof room, &got) == 1 &&
           slice_is((struct slice){room, got}, text);
}

static bool says(struct test *test, struct slice text)
{
    size_t written;

    return SSL_write_ex(test->client, text.start, text.length, &written) == 1 && hears(test, text);
}

static bool ends(struct test *test)
{
    char byte;
    int got;

    tls_own_seal_end(test->own);
    client_gets(test);
    got = SSL_read(test->client, &byte, 1);
    return SSL_get_error(test->client, got) == SSL_ERROR_ZERO_RETURN;
}

static bool talk(struct test *test)
{
    return says(test, SLICE("one")) && is_heard(test, SLICE("two")) &&
           SSL_key_update(test->client, SSL_KEY_UPDATE_REQUESTED) == 1 &&
           says(test, SLICE("three")) && is_heard(test, SLICE("four")) && ends(test);
}

/* --- the test --- */

/* *fits counts the suites that do. */
static const char *test_suite(struct test *test, const char *suite, unsigned *fits)
{
    enum shaken shaken = sides_make(test, suite) ? shake(test) : NOT_SHAKEN;
    bool talks = shaken == SHAKEN && talk(test);

    sides_free(test);
    *fits += talks;
    if (shaken == NOT_TAKEN)
        return "OpenSSL does not report its keys";
    return shaken == SHAKEN && !talks ? "records are not understood" : NULL;
}

static const char *test_all(void)
{
    static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                         "TLS_CHACHA20_POLY1305_SHA256"};
    struct test test = {0};
    const char *why = NULL;
    unsigned fits = 0;

    if (!tls_own_prepare())
        return "OpenSSL lacks what it takes";
    if (!contexts_make(&test))
        why = "OpenSSL makes no certificate";
    for (size_t i = 0; i < sizeof suites / sizeof *suites && why == NULL; i++)
        why = test_suite(&test, suites[i], &fits);
    SSL_CTX_free(test.clients);
    SSL_CTX_free(test.servers);
    tls_library_forget_errors();
    return why == NULL && fits == 0 ? "no handshake" : why;
}

const char *tls_selftest_why(void)
{
    static const char *why;
    static bool is_over;

    if (!is_over)
        why = test_all();
    is_over = true;
    return why;
}
