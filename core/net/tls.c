#include "net/tls.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls_library.h"
#include "shared/totals.h"

#include <openssl/ssl.h>

enum {
    RECORD_BYTES = SSL3_RT_MAX_PLAIN_LENGTH,
    /* A peer opens a record when all of it is there. After a rest TCP sends ten packets, and waits
     * for the peer before more: so the first records are short. */
    SHORT_BYTES = 4096,
    FIRST_BYTES = 65536,
    REST_MS = 1000,
    SEAL_BYTES = 4 * RECORD_BYTES, /* sealed at once, and sent by one system call */
    /* Room for one read, for what was kept until the connection's turn, and for the beginning of a
     * record. */
    PLAIN_BYTES = 3 * 65536 + TLS_OWN_ROOM,
    LOOK_BYTES = 1024,
};

/* --- messages after the handshake --- */

/* Counts KeyUpdates, tickets of servers, and alerts that we send: a peer that wants to negotiate
 * again (TLS 1.2) gets one. */
static void on_info(const SSL *ssl, int where, int value)
{
    struct tls *t = SSL_get_app_data(ssl);
    OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
    bool is_message = (where & SSL_CB_LOOP) != 0 &&
                      (state == TLS_ST_SR_KEY_UPDATE || state == TLS_ST_CR_KEY_UPDATE ||
                       (state == TLS_ST_CR_SESSION_TICKET && t->state == TLS_OPEN));

    (void)value;
    if (!is_message && where != SSL_CB_WRITE_ALERT)
        return;
    if (!tls_messages_count(&t->messages))
        tls_wire.in.length = 0; /* the library reads no further */
}

void tls_limit_messages(struct tls *t)
{
    SSL_set_app_data(t->ssl, t);
    SSL_set_info_callback(t->ssl, on_info);
}

/* --- bytes in --- */

static char plain[PLAIN_BYTES];

/* After a read that gave nothing. */
static enum tls_look unseal_nothing(struct tls *t)
{
    switch (SSL_get_error(t->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        if (t->messages.count <= TLS_MESSAGES_MAX)
            return TLS_LOOK_QUIET;
        t->why = "too many messages that are no data";
        break;
    case SSL_ERROR_ZERO_RETURN:
        t->state = TLS_ENDED;
        return TLS_LOOK_END;
    default:
        t->why = tls_library_why();
        break;
    }
    t->state = TLS_BROKEN;
    return TLS_LOOK_BROKEN;
}

/* Opens one record of our own. room: for TLS_OWN_ROOM bytes. */
static enum tls_look unseal_own(struct tls *t, char *room, struct slice *piece)
{
    switch (tls_own_open(t->own, &tls_wire.in, room, piece, &t->why)) {
    case TLS_OWN_DATA:
        return TLS_LOOK_BYTES;
    case TLS_OWN_MORE:
        return TLS_LOOK_QUIET;
    case TLS_OWN_END:
        t->state = TLS_ENDED;
        return TLS_LOOK_END;
    case TLS_OWN_BROKEN:
        break;
    }
    t->state = TLS_BROKEN;
    return TLS_LOOK_BROKEN;
}

static bool unseal_some_own(struct tls *t, struct tls_took *took)
{
    struct slice piece;
    enum tls_look look;

    CHECK(took->plain.length + TLS_OWN_ROOM <= PLAIN_BYTES);
    look = unseal_own(t, plain + took->plain.length, &piece);
    took->plain.length += piece.length;
    took->has_ended = look == TLS_LOOK_END;
    took->is_broken = look == TLS_LOOK_BROKEN;
    return look == TLS_LOOK_BYTES;
}

/* True: another record may follow. */
static bool unseal_some(struct tls *t, struct tls_took *took)
{
    size_t room = PLAIN_BYTES - took->plain.length, got = 0;
    enum tls_look look;

    CHECK(room > 0);
    if (SSL_read_ex(t->ssl, plain + took->plain.length, room, &got) == 1) {
        took->plain.length += got;
        return true;
    }
    look = unseal_nothing(t);
    took->has_ended = look == TLS_LOOK_END;
    took->is_broken = look == TLS_LOOK_BROKEN;
    return false;
}

/* To find out by SSL_read that nothing is left takes 2,000 instructions, and a buffer. */
static bool unseal_has_more(const struct tls *t)
{
    return tls_wire.in.length > 0 || SSL_has_pending(t->ssl) == 1;
}

void tls_unseal_rest(struct tls *t, struct tls_took *took)
{
    took->plain = (struct slice){plain, 0};
    if (t->ssl == NULL) {
        while (tls_wire.in.length > 0 && unseal_some_own(t, took))
            continue;
    } else {
        tls_library_forget_errors();
        while (unseal_has_more(t) && unseal_some(t, took))
            continue;
    }
    tls_wire.in = (struct slice){"", 0};
}

void tls_unseal(struct tls *t, struct slice sealed, struct tls_took *took)
{
    if (t->state != TLS_OPEN)
        return;
    tls_wire.in = sealed;
    tls_unseal_rest(t, took);
}

/* `plain` may be in use: hence buffers of their own. */
static enum tls_look look_own(struct tls *t)
{
    static char opened[TLS_OWN_ROOM];
    enum tls_look look;
    struct slice piece;

    while ((look = unseal_own(t, opened, &piece)) == TLS_LOOK_BYTES)
        if (piece.length > 0)
            buffer_append(&t->kept, piece);
    return look;
}

static enum tls_look look_library(struct tls *t)
{
    char opened[LOOK_BYTES];
    size_t got;

    tls_library_forget_errors();
    while (SSL_read_ex(t->ssl, opened, sizeof opened, &got) == 1)
        buffer_append(&t->kept, (struct slice){opened, got});
    return unseal_nothing(t);
}

enum tls_look tls_look(struct tls *t, struct slice sealed)
{
    size_t before = buffer_length(&t->kept);
    enum tls_look look;

    if (t->state != TLS_OPEN)
        return t->state == TLS_ENDED ? TLS_LOOK_END : TLS_LOOK_BROKEN;
    tls_wire.in = sealed;
    look = t->ssl == NULL ? look_own(t) : look_library(t);
    tls_wire.in = (struct slice){"", 0};
    return buffer_length(&t->kept) > before ? TLS_LOOK_BYTES : look;
}

struct buffer tls_take_kept(struct tls *t)
{
    struct buffer kept = t->kept;

    t->kept = (struct buffer){0};
    return kept;
}

/* --- bytes out --- */

static void parts_skip(struct tls_parts *p, size_t bytes)
{
    p->used += bytes;
    p->left_bytes -= bytes;
    if (p->used == p->part->len) {
        p->part++;
        p->used = 0;
    }
}

/* The bytes of the next record: where they are, or, if several parts have them, joined. */
static struct slice parts_take(struct tls_parts *p, size_t most)
{
    static char joined[RECORD_BYTES];
    size_t bytes = p->left_bytes < most ? p->left_bytes : most, length = 0;
    const char *start;

    while (p->part->len == p->used)
        parts_skip(p, 0);
    start = p->part->base + p->used;
    if (p->part->len - p->used >= bytes) {
        parts_skip(p, bytes);
        return (struct slice){start, bytes};
    }
    while (length < bytes) {
        size_t rest = p->part->len - p->used;
        size_t piece = rest < bytes - length ? rest : bytes - length;

        memcpy(joined + length, p->part->base + p->used, piece);
        length += piece;
        parts_skip(p, piece);
    }
    return (struct slice){joined, length};
}

static bool seal_record(struct tls *t, struct slice record)
{
    size_t written;

    if (t->ssl == NULL)
        return tls_own_seal(t->own, record);
    tls_library_forget_errors();
    return SSL_write_ex(t->ssl, record.start, record.length, &written) == 1;
}

/* The bytes of the next record. */
static struct slice seal_take(struct tls *t, struct tls_parts *parts)
{
    struct slice record = parts_take(parts, t->first_bytes > 0 ? SHORT_BYTES : RECORD_BYTES);

    t->first_bytes -= record.length < t->first_bytes ? (uint32_t)record.length : t->first_bytes;
    return record;
}

bool tls_seal(struct tls *t, struct tls_parts *parts, uint64_t now_ms)
{
    size_t before = parts->left_bytes;

    if (t->has_said_end || (t->state != TLS_OPEN && t->state != TLS_ENDED))
        return false;
    if (now_ms - t->sealed_ms >= REST_MS)
        t->first_bytes = FIRST_BYTES;
    t->sealed_ms = now_ms;
    while (parts->left_bytes > 0 && before - parts->left_bytes < SEAL_BYTES) {
        if (!seal_record(t, seal_take(t, parts))) {
            t->state = TLS_BROKEN;
            t->why = tls_library_why();
            return false;
        }
    }
    return true;
}

void tls_seal_end(struct tls *t)
{
    if (t->has_said_end || (t->state != TLS_OPEN && t->state != TLS_ENDED))
        return;
    t->has_said_end = true;
    if (t->ssl == NULL) {
        tls_own_seal_end(t->own);
        return;
    }
    tls_library_forget_errors();
    if (SSL_shutdown(t->ssl) < 0)
        tls_library_forget_errors();
}

struct slice tls_sealed(void)
{
    return buffer_slice(&tls_wire.out);
}

void tls_sealed_sent(void)
{
    buffer_clear(&tls_wire.out);
}

/* --- the end --- */

void tls_stop(struct tls *t)
{
    /* Else the library throws away the session of a connection that was not ended in peace. */
    if (t->target != NULL && t->ssl != NULL && t->state >= TLS_OPEN)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    tls_own_free(t->own);
    t->ssl = NULL;
    t->own = NULL;
    t->state = TLS_BROKEN;
    buffer_dispose(&t->kept);
}

size_t tls_held_bytes(const struct tls *t)
{
    if (t == NULL)
        return 0;
    return mem_size(t) + (t->ssl != NULL ? TLS_HELD_BYTES : 0) +
           (t->own != NULL ? sizeof *t->own + mem_size(t->own->part.bytes) : 0);
}

/* --- version, cipher, protocol --- */

/* As a static text: the library's own lives only as long as its SSL. */
static struct slice alpn_of(struct slice protocol)
{
    if (protocol.length == 0)
        return (struct slice){"", 0};
    if (slice_is(protocol, SLICE("h2")))
        return SLICE("h2");
    return slice_is(protocol, SLICE("http/1.0")) ? SLICE("http/1.0") : SLICE("http/1.1");
}

void tls_note_said(struct tls *t)
{
    const unsigned char *protocol;
    unsigned length;

    SSL_get0_alpn_selected(t->ssl, &protocol, &length);
    t->said.alpn = alpn_of((struct slice){(const char *)protocol, length});
    t->said.version = SSL_version(t->ssl) == TLS1_3_VERSION ? SLICE("1.3") : SLICE("1.2");
    t->said.cipher = slice_of(SSL_CIPHER_standard_name(SSL_get_current_cipher(t->ssl)));
    t->said.resumed = SSL_session_reused(t->ssl) == 1;
    t->said.handshake_us = clock_steady_us() - t->began_us;
    if (t->server != NULL) {
        t->client = tls_client_new(t->ssl, t->forwards_client);
        totals_add(t->said.resumed ? TOTALS_TLS_RESUMED : TOTALS_TLS_FULL, 1);
        totals_add(slice_is(t->said.version, SLICE("1.3")) ? TOTALS_TLS_1_3 : TOTALS_TLS_1_2, 1);
    }
    t->said.client = t->client;
}
