#include "net/tls_remote.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "net/tls.h"
#include "net/tls_library.h"
#include "net/tls_names.h"
#include "net/tls_pem.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <string.h>

enum {
    RESUMED_MS_MAX = 3600 * 1000,
    SILENT_MS = 250, /* without an answer to the offer of a session others do not offer it, */
    REST_MS = 60000, /* for so long, or until the answer comes */
};

struct tls_remote {
    struct list_node node;
    SSL_CTX *context; /* NULL: it could not be made */
    unsigned uses;
    bool verify;
    uint8_t digest[SHA256_BYTES]; /* of the rules */
};

static struct list_node remotes = {&remotes, &remotes};

/* --- sessions --- */

/* A session was verified by the rules of its connection: it is no session of a target that has
 * other rules by now. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct tls *t = SSL_get_app_data(ssl);
    struct tls_target *target = t->target;

    if (t->target_version != target->version)
        return 0;
    if (SSL_session_reused(ssl) == 0)
        target->verified_ms = t->began_us / 1000; /* not the time of a late ticket */
    SSL_SESSION_free(target->session);
    target->session = session;
    return 1; /* the reference is ours now */
}

void tls_remote_forget(struct tls_target *target)
{
    SSL_SESSION_free(target->session);
    target->session = NULL;
}

/* --- the context --- */

static bool trust(SSL_CTX *context, struct slice ca)
{
    STACK_OF(X509) *list = tls_pem_certificates(ca);
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    bool is_right = list != NULL;

    for (int i = 0; is_right && i < sk_X509_num(list); i++)
        is_right = X509_STORE_add_cert(store, sk_X509_value(list, i)) == 1;
    sk_X509_pop_free(list, X509_free);
    return is_right;
}

/* A certificate of `ca` is trusted as it is, whether it signs itself or not. */
static bool set_trust(SSL_CTX *context, const struct tls_remote_rules *rules, struct buffer *error)
{
    if (!rules->verify)
        return true;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (rules->ca.length == 0) {
        if (SSL_CTX_set_default_verify_paths(context) == 1)
            return true;
        tls_pem_explain(error, "the certificates of the system cannot be read");
        return false;
    }
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    if (trust(context, rules->ca))
        return true;
    tls_pem_explain(error, "the certificates of ca cannot be used");
    return false;
}

static bool fill(SSL_CTX *context, const struct tls_remote_rules *rules, struct buffer *error)
{
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, on_session);
    return set_trust(context, rules, error) &&
           (rules->own.chain.length == 0 || tls_certificate_use(context, &rules->own, error));
}

static SSL_CTX *make(const struct tls_remote_rules *rules, struct buffer *error)
{
    SSL_CTX *context;

    tls_library_forget_errors();
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        tls_pem_explain(error, "TLS");
        return NULL;
    }
    if (fill(context, rules, error))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

bool tls_remote_try(const struct tls_remote_rules *rules, struct buffer *error)
{
    SSL_CTX *context = make(rules, error);

    SSL_CTX_free(context);
    return context != NULL;
}

/* --- those in use --- */

static void add_part(struct sha256 *hash, struct slice part)
{
    const uint64_t length = part.length;

    sha256_add(hash, (struct slice){(const char *)&length, sizeof length});
    if (part.length > 0)
        sha256_add(hash, part);
}

static void digest_of(const struct tls_remote_rules *rules, uint8_t digest[SHA256_BYTES])
{
    const char verify = rules->verify;
    struct sha256 hash;

    sha256_init(&hash);
    add_part(&hash, rules->ca);
    add_part(&hash, rules->own.chain);
    add_part(&hash, rules->own.key);
    add_part(&hash, (struct slice){&verify, 1});
    sha256_end(&hash, digest);
}

static struct tls_remote *remote_new(const struct tls_remote_rules *rules,
                                     const uint8_t digest[SHA256_BYTES])
{
    struct tls_remote *remote = mem_zalloc(sizeof *remote);

    remote->context = make(rules, NULL);
    remote->verify = rules->verify;
    memcpy(remote->digest, digest, SHA256_BYTES);
    list_append(&remotes, &remote->node);
    tls_library_forget_errors();
    return remote;
}

static struct tls_remote *remote_use(const struct tls_remote_rules *rules)
{
    uint8_t digest[SHA256_BYTES];
    struct tls_remote *found = NULL;

    digest_of(rules, digest);
    for (struct list_node *node = remotes.next; node != &remotes; node = node->next) {
        struct tls_remote *remote = list_entry(node, struct tls_remote, node);

        if (memcmp(remote->digest, digest, SHA256_BYTES) == 0)
            found = remote;
    }
    if (found == NULL)
        found = remote_new(rules, digest);
    found->uses++;
    return found;
}

static void remote_release(struct tls_remote *remote)
{
    if (remote == NULL || --remote->uses > 0)
        return;
    list_remove(&remote->node);
    SSL_CTX_free(remote->context); /* connections that use it keep it */
    mem_free(remote);
}

/* --- targets --- */

bool tls_target_set(struct tls_target *target, const struct tls_remote_rules *rules,
                    struct slice name, struct slice protocols)
{
    struct tls_remote *remote = rules != NULL ? remote_use(rules) : NULL;

    if (remote == target->remote && (remote == NULL || (slice_is(slice_of(target->name), name) &&
                                                        slice_is(target->protocols, protocols)))) {
        remote_release(remote);
        return false;
    }
    tls_target_dispose(target);
    *target = (struct tls_target){.remote = remote,
                                  .name = mem_copy(name.start, name.length),
                                  .protocols = protocols,
                                  .version = target->version + 1};
    return true;
}

void tls_target_dispose(struct tls_target *target)
{
    remote_release(target->remote);
    SSL_SESSION_free(target->session);
    mem_free(target->name);
    *target = (struct tls_target){.version = target->version};
}

/* --- one connection --- */

static bool is_address(const char *name)
{
    struct in6_addr address;

    return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

bool tls_remote_is_name(struct slice name)
{
    char text[INET6_ADDRSTRLEN + 1] = "";

    if (tls_names_is_host(name))
        return true;
    if (name.length == 0 || name.length >= sizeof text ||
        memchr(name.start, '\0', name.length) != NULL)
        return false;
    memcpy(text, name.start, name.length);
    return is_address(text);
}

/* An address is looked for among the addresses of a certificate, and is no server name (RFC 6066,
 * 3). The common name counts for nothing (RFC 9525, 2). */
static bool set_name(SSL *ssl, const struct tls_target *target)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    bool is_ip = is_address(target->name);

    if (target->name[0] == '\0')
        return true;
    if (!is_ip && SSL_set_tlsext_host_name(ssl, target->name) != 1)
        return false;
    if (!target->remote->verify)
        return true;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return (is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, target->name)
                  : X509_VERIFY_PARAM_set1_host(param, target->name, 0)) == 1;
}

/* Each resumed handshake brings another session, and no certificate is looked at: without an end a
 * certificate that has expired would be good for ever. */
static bool may_resume(const struct tls_target *target, uint64_t now_ms)
{
    bool rests = target->offered_ms != 0 && now_ms >= target->offered_ms + SILENT_MS &&
                 now_ms < target->offered_ms + REST_MS;

    return target->session != NULL && now_ms < target->verified_ms + RESUMED_MS_MAX && !rests;
}

static bool set_all(SSL *ssl, const struct tls_target *target)
{
    struct slice protocols = target->protocols;
    BIO *bio = tls_library_bio();

    if (bio == NULL)
        return false;
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    if (protocols.length > 0 && SSL_set_alpn_protos(ssl, (const unsigned char *)protocols.start,
                                                    (unsigned)protocols.length) != 0)
        return false;
    if (may_resume(target, clock_steady_ms()) && SSL_set_session(ssl, target->session) != 1)
        return false;
    return set_name(ssl, target);
}

SSL *tls_remote_ssl(const struct tls_target *target)
{
    SSL_CTX *context = target->remote->context;
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;

    if (ssl == NULL || set_all(ssl, target))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

/* A server that falls silent whenever it is offered a session would be lost: each handshake would
 * end at a deadline, and no event of TLS would say so. */
bool tls_remote_offers(struct tls_target *target, const SSL *ssl)
{
    uint64_t now_ms = clock_steady_ms();

    if (SSL_get_session(ssl) == NULL)
        return false;
    if (target->offered_ms == 0 || now_ms >= target->offered_ms + REST_MS)
        target->offered_ms = now_ms;
    return true;
}

void tls_remote_note_answer(struct tls_target *target)
{
    target->offered_ms = 0;
}
