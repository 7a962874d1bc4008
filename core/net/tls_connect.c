/*
 *   WAITING --its turn--> SHAKING --verified--> OPEN
 *      |                     |
 *      '------- refused -----'--> BROKEN
 *
 * Bytes of the server that come in a turn that has no time left are kept, until t->turn has come.
 */
#include "net/tls_connect.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls_library.h"
#include "net/tls_turns.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
    /* For the handshakes that begin before memory is freed. */
    MEMORY_BYTES = 256 * 1024,
    KEPT_MAX = 2 * 65536, /* more than any chain of certificates */
};

struct tls *tls_connect_new(struct tls_target *target, struct loop *loop, void *owner,
                            void (*on_turn)(struct tls *))
{
    struct tls *t = mem_zalloc(sizeof *t);

    CHECK(tls_target_is_set(target));
    t->target = target;
    t->target_version = target->version;
    t->loop = loop;
    t->owner = owner;
    t->on_turn = on_turn;
    t->state = TLS_WAITING;
    t->said.name = (struct slice){"", 0};
    t->began_us = clock_steady_us();
    list_init(&t->turn);
    list_init(&t->unfinished);
    tls_turns_await(loop, t);
    return t;
}

/* --- refusals --- */

static void connect_refuse(struct tls *t, enum tls_refusal refusal, const char *why)
{
    if (t->target_version == t->target->version)
        tls_remote_forget(t->target); /* the session that was offered may be why */
    t->refusal = (uint8_t)refusal;
    t->why = why;
    list_remove(&t->turn);
    tls_stop(t);
}

/* "certificate has expired" says more than "certificate verify failed". */
static const char *why_of(const struct tls *t)
{
    unsigned long error = ERR_peek_error();
    long result = t->ssl != NULL ? SSL_get_verify_result(t->ssl) : X509_V_OK;

    if (result == X509_V_OK || ERR_GET_REASON(error) != SSL_R_CERTIFICATE_VERIFY_FAILED)
        return tls_library_why();
    tls_library_forget_errors();
    return X509_verify_cert_error_string(result);
}

/* An alert for the server is sealed, if it should get one. */
static void connect_fail(struct tls *t, struct tls_took *took)
{
    bool lacked = tls_library_lacked_memory();

    connect_refuse(t, lacked ? TLS_REFUSED_MEMORY : TLS_REFUSED_HANDSHAKE, why_of(t));
    took->refuses = true;
}

bool tls_connect_is_cut(struct tls *t, int status)
{
    if (t->state >= TLS_OPEN)
        return false;
    connect_refuse(t, TLS_REFUSED_HANDSHAKE,
                   status == 0 || status == UV_EOF ? "closed in the handshake"
                                                   : uv_strerror(status));
    return true;
}

/* --- the handshake --- */

static void connect_shake(struct tls *t, struct slice sealed, struct tls_took *took)
{
    uint64_t began_us = clock_steady_us();
    int status;

    tls_wire.in = sealed;
    tls_library_forget_errors();
    tls_library_begin_bounded();
    status = SSL_do_handshake(t->ssl);
    tls_library_end_bounded();
    if (status == 1) {
        t->state = TLS_OPEN;
        took->opens = true;
        if (t->offers_session && t->target_version == t->target->version)
            tls_remote_note_answer(t->target);
        tls_note_said(t);
        tls_limit_messages(t);
        tls_unseal_rest(t, took);
    } else if (SSL_get_error(t->ssl, status) != SSL_ERROR_WANT_READ) {
        connect_fail(t, took);
    }
    tls_wire.in = (struct slice){"", 0};
    tls_turns_note(t->loop, began_us);
}

static void connect_begin(struct tls *t, struct tls_took *took)
{
    t->loop->lacks_memory |= mem_lacks(MEMORY_BYTES);
    tls_library_forget_errors();
    tls_library_begin_bounded();
    t->ssl = tls_remote_ssl(t->target);
    tls_library_end_bounded();
    if (t->ssl == NULL) {
        connect_fail(t, took);
        return;
    }
    t->offers_session = tls_remote_offers(t->target, t->ssl);
    SSL_set_app_data(t->ssl, t);
    t->state = TLS_SHAKING;
    connect_shake(t, SLICE(""), took);
}

void tls_connect_continue(struct tls *t, struct tls_took *took)
{
    struct buffer kept = tls_take_kept(t);

    if (t->state == TLS_WAITING)
        connect_begin(t, took);
    else
        connect_shake(t, buffer_slice(&kept), took);
    buffer_dispose(&kept);
}

static bool is_http(const struct tls *t, struct slice sealed)
{
    return SSL_get_state(t->ssl) == TLS_ST_CW_CLNT_HELLO && slice_begins(sealed, SLICE("HTTP/"));
}

static void connect_refuse_bytes(struct tls *t, const char *why, struct tls_took *took)
{
    connect_refuse(t, TLS_REFUSED_HANDSHAKE, why);
    took->refuses = true;
}

void tls_connect_take(struct tls *t, struct slice sealed, struct tls_took *took)
{
    if (t->state == TLS_WAITING)
        connect_refuse_bytes(t, "it speaks first, so that is not TLS", took);
    else if (is_http(t, sealed))
        connect_refuse_bytes(t, "it answers in plain HTTP", took);
    else if (buffer_length(&t->kept) + sealed.length > KEPT_MAX)
        connect_refuse_bytes(t, "it sends too much in the handshake", took);
    else if (!list_has_node(&t->turn) && tls_turns_have_time(t->loop))
        connect_shake(t, sealed, took);
    else {
        buffer_append(&t->kept, sealed);
        if (!list_has_node(&t->turn))
            tls_turns_await(t->loop, t);
    }
}
