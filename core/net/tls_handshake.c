/*
 *   HELLO --whole--> WAITING --its turn--> SHAKING --finished--> OPEN
 *     |                 |                     |
 *     '-----------------+------ refused ------'--> BROKEN
 *
 * A connection skips WAITING if this turn of the loop has time left for handshakes (net/tls_turns).
 */
#include "net/tls_handshake.h"

#include "base/mem.h"
#include "net/tls_hello.h"
#include "net/tls_library.h"
#include "net/tls_selftest.h"
#include "net/tls_turns.h"
#include "shared/totals.h"

#include <openssl/ssl.h>

enum {
    /* For the handshakes that begin before memory is freed. */
    MEMORY_BYTES = 256 * 1024,
    KEPT_MAX = 2 * 65536, /* an honest client sends less before it gets an answer */
};

/* --- refusals --- */

static void handshake_finish(struct tls *t)
{
    list_remove(&t->turn);
    if (list_has_node(&t->unfinished))
        t->server->unfinished_count--;
    list_remove(&t->unfinished);
    buffer_dispose(&t->kept);
}

/* The alert that the library would send, before there is an SSL (RFC 8446, 6). */
static void seal_alert(uint8_t description)
{
    const char alert[] = {SSL3_RT_ALERT, 3, 3, 0, 2, SSL3_AL_FATAL, (char)description};

    buffer_append(&tls_wire.out, (struct slice){alert, sizeof alert});
}

/* A client that speaks plain HTTP to this port reads why that does not work. */
static void answer_plain(void)
{
    buffer_append_text(&tls_wire.out, "HTTP/1.1 400 Bad Request\r\n"
                                      "Content-Type: text/plain\r\n"
                                      "Content-Length: 45\r\n"
                                      "Connection: close\r\n\r\n"
                                      "This port speaks HTTPS: ask it with https://\n");
}

static void handshake_refuse(struct tls *t, enum tls_refusal refusal, const char *why)
{
    t->refusal = (uint8_t)refusal;
    t->why = why;
    t->server->refused[refusal]++;
    totals_add(TOTALS_TLS_REFUSED + (unsigned)refusal, 1);
    handshake_finish(t);
    tls_stop(t);
}

void tls_handshake_refuse(struct tls *t, enum tls_refusal refusal, const char *why)
{
    if (t->state < TLS_OPEN)
        handshake_refuse(t, refusal, why);
}

static void handshake_refuse_hello(struct tls *t, enum tls_refusal refusal, const char *why,
                                   uint8_t alert, struct tls_took *took)
{
    if (refusal == TLS_REFUSED_HTTP)
        answer_plain();
    else
        seal_alert(alert);
    handshake_refuse(t, refusal, why);
    took->refuses = true;
}

/* --- the handshake --- */

/* The library has sealed an alert already, if the client should get one. */
static void shake_fail(struct tls *t, struct tls_took *took)
{
    bool lacked = tls_library_lacked_memory();

    handshake_refuse(t, lacked ? TLS_REFUSED_MEMORY : TLS_REFUSED_HANDSHAKE, tls_library_why());
    took->refuses = true;
}

/* If the records are ours from now on, the SSL has nothing left to do. wrote: what it has written
 * in the call that ended the handshake. */
static void shake_settle(struct tls *t, struct slice wrote)
{
    tls_note_said(t);
    if (t->own != NULL && tls_own_take(t->own, t->ssl, wrote)) {
        tls_library_begin_secret();
        SSL_free(t->ssl);
        tls_library_end_secret();
        t->ssl = NULL;
        return;
    }
    tls_own_free(t->own);
    t->own = NULL;
    tls_limit_messages(t);
}

static void shake_on(struct tls *t, struct tls_took *took)
{
    int status;

    tls_library_forget_errors();
    tls_own_begin(t->own, t->ssl);
    status = SSL_do_handshake(t->ssl);
    tls_own_end(t->own, t->ssl);
    if (status == 1) {
        t->state = TLS_OPEN;
        took->opens = true;
        handshake_finish(t);
    } else if (SSL_get_error(t->ssl, status) != SSL_ERROR_WANT_READ) {
        shake_fail(t, took);
    }
}

static void shake(struct tls *t, struct tls_took *took)
{
    uint64_t began_us = clock_steady_us();
    size_t before = buffer_length(&tls_wire.out);

    tls_library_begin_bounded();
    shake_on(t, took);
    tls_library_end_bounded();
    if (t->state == TLS_OPEN) /* after the end of bounded memory: it needs some */
        shake_settle(t, (struct slice){tls_sealed().start + before, tls_sealed().length - before});
    tls_turns_note(t->server->loop, began_us);
    if (t->state == TLS_OPEN)
        tls_unseal_rest(t, took);
    tls_wire.in = (struct slice){"", 0};
}

/* NULL: memory is full, or the library knows why. */
static SSL *ssl_new(struct tls *t, unsigned site)
{
    SSL_CTX *context = tls_sites_context(t->server->sites, site);
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;
    BIO *bio = ssl != NULL ? tls_library_bio() : NULL;

    if (bio == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    if (t->server->makes_records)
        t->own = tls_own_new(ssl);
    return ssl;
}

/* False: the handshake is refused. */
static bool handshake_choose_site(struct tls *t, struct tls_took *took)
{
    const struct tls_client_rules *client;
    int site = TLS_NAMES_NONE;

    if (t->server->sites != NULL)
        site = tls_sites_find(t->server->sites, t->said.name);
    if (site == TLS_NAMES_NONE) {
        handshake_refuse_hello(t, TLS_REFUSED_NAME,
                               t->said.name.length == 0 ? "it asked for no name"
                                                        : "no site has the name that it asked for",
                               SSL_AD_UNRECOGNIZED_NAME, took);
        return false;
    }
    client = &tls_sites_rules_of(t->server->sites, (unsigned)site)->client;
    t->said.client_rules = client->id;
    t->forwards_client = client->forward;
    tls_library_forget_errors();
    tls_library_begin_bounded();
    t->ssl = ssl_new(t, (unsigned)site);
    tls_library_end_bounded();
    if (t->ssl != NULL)
        return true;
    if (tls_library_lacked_memory())
        handshake_refuse_hello(t, TLS_REFUSED_MEMORY, "limits.memory", SSL_AD_INTERNAL_ERROR, took);
    else
        handshake_refuse_hello(t, TLS_REFUSED_HANDSHAKE, tls_library_why(), SSL_AD_INTERNAL_ERROR,
                               took);
    return false;
}

/* read: all bytes that have come; it may be t->kept. If a handshake fails because memory is full,
 * the memory that it frees hides that from the loop: so lacks_memory is set before it begins. */
static void handshake_begin(struct tls *t, struct slice read, struct tls_took *took)
{
    struct buffer kept = t->kept;

    t->kept = (struct buffer){0}; /* freed below: the library copies the bytes */
    t->server->loop->lacks_memory |= mem_lacks(MEMORY_BYTES);
    if (handshake_choose_site(t, took)) {
        t->state = TLS_SHAKING;
        tls_wire.in = read;
        shake(t, took);
    }
    buffer_dispose(&kept);
}

/* --- the hello --- */

static void handshake_keep(struct tls *t, struct slice bytes)
{
    if (bytes.length > 0 && bytes.start != buffer_slice(&t->kept).start)
        buffer_append(&t->kept, bytes);
}

static void handshake_note(struct tls *t, const struct tls_hello *hello)
{
    struct slice traits = tls_traits_bytes(&hello->traits), name = tls_hello_name(hello);

    t->heard = mem_alloc(traits.length + name.length);
    memcpy(t->heard, traits.start, traits.length);
    memcpy(t->heard + traits.length, name.start, name.length);
    t->said.traits = (struct slice){t->heard, traits.length};
    t->said.name = (struct slice){t->heard + traits.length, name.length};
    t->state = TLS_WAITING;
}

/* read: all bytes that have come; it may be t->kept. */
static void handshake_look(struct tls *t, struct slice read, struct tls_took *took)
{
    struct tls_hello hello = {0};

    switch (tls_hello_read(read, &hello)) {
    case HELLO_MORE:
        handshake_keep(t, read);
        return;
    case HELLO_BAD:
        handshake_refuse_hello(t, TLS_REFUSED_HELLO, hello.why, hello.alert, took);
        return;
    case HELLO_NOT_TLS:
        handshake_refuse_hello(t, TLS_REFUSED_HTTP, "plain HTTP", 0, took);
        return;
    case HELLO_READY:
        break;
    }
    handshake_note(t, &hello);
    if (tls_turns_have_time(t->server->loop)) {
        handshake_begin(t, read, took);
        return;
    }
    handshake_keep(t, read);
    tls_turns_await(t->server->loop, t);
}

/* What a client answers may have a chain of certificates to verify. */
static void handshake_go_on(struct tls *t, struct slice sealed, struct tls_took *took)
{
    if (!list_has_node(&t->turn) && tls_turns_have_time(t->server->loop)) {
        tls_wire.in = sealed;
        shake(t, took);
        return;
    }
    if (buffer_length(&t->kept) + sealed.length > KEPT_MAX) { /* the library seals no alert here */
        handshake_refuse(t, TLS_REFUSED_HANDSHAKE, "it did not wait for an answer");
        took->refuses = true;
        return;
    }
    buffer_append(&t->kept, sealed);
    if (!list_has_node(&t->turn))
        tls_turns_await(t->server->loop, t);
}

void tls_handshake_take(struct tls *t, struct slice sealed, struct tls_took *took)
{
    switch (t->state) {
    case TLS_HELLO:
    case TLS_WAITING:
        if (buffer_length(&t->kept) + sealed.length > KEPT_MAX) {
            handshake_refuse_hello(t, TLS_REFUSED_HELLO, "it did not wait for an answer",
                                   SSL_AD_UNEXPECTED_MESSAGE, took);
            return;
        }
        if (buffer_length(&t->kept) > 0) {
            buffer_append(&t->kept, sealed);
            sealed = buffer_slice(&t->kept);
        }
        if (t->state == TLS_HELLO && !list_has_node(&t->turn))
            handshake_look(t, sealed, took);
        return;
    case TLS_SHAKING:
        handshake_go_on(t, sealed, took);
        return;
    default:
        return;
    }
}

void tls_handshake_continue(struct tls *t, struct tls_took *took)
{
    struct buffer kept;

    if (t->state == TLS_HELLO) {
        handshake_look(t, buffer_slice(&t->kept), took);
    } else if (t->state == TLS_WAITING) {
        handshake_begin(t, buffer_slice(&t->kept), took);
    } else {
        kept = tls_take_kept(t);
        tls_wire.in = buffer_slice(&kept);
        shake(t, took);
        buffer_dispose(&kept);
    }
}

/* --- from the beginning to the end --- */

struct tls *tls_handshake_new(struct tls_server *server, void *owner, void (*on_turn)(struct tls *),
                              struct slice read)
{
    struct tls *t = mem_zalloc(sizeof *t);

    t->server = server;
    t->owner = owner;
    t->on_turn = on_turn;
    t->said.name = t->said.traits = (struct slice){"", 0};
    t->began_us = clock_steady_us();
    list_init(&t->turn);
    list_init(&t->unfinished);
    list_append(&server->unfinished, &t->unfinished);
    server->unfinished_count++;
    handshake_keep(t, read);
    if (read.length > 0)
        tls_turns_await(t->server->loop, t);
    return t;
}

void tls_handshake_stop(struct tls *t)
{
    handshake_finish(t);
    tls_stop(t);
}

void tls_handshake_free(struct tls *t)
{
    if (t == NULL)
        return;
    tls_handshake_stop(t);
    mem_free(t->heard);
    mem_free(t->client);
    mem_free(t);
}

void tls_server_init(struct tls_server *server, struct loop *loop)
{
    *server = (struct tls_server){.loop = loop};
    list_init(&server->unfinished);
}

void tls_server_dispose(struct tls_server *server)
{
    tls_turns_forget();
    tls_sites_free(server->sites);
    server->sites = NULL;
}

void tls_server_follow(struct tls_server *server, const struct tls_sites_rules *rules)
{
    tls_sites_free(server->sites);
    server->sites = rules->count > 0 ? tls_sites_new(rules) : NULL;
    server->makes_records = rules->makes_records && tls_selftest_why() == NULL;
    if (server->sites != NULL) { /* the library makes its lasting objects while there is memory */
        (void)tls_sites_context(server->sites, 0);
        BIO_free(tls_library_bio());
    }
}
