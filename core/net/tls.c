#include "net/tls.h"

#include "base/clock.h"
#include "net/tls_library.h"

#include <openssl/ssl.h>

enum {
    RECORD_BYTES = SSL3_RT_MAX_PLAIN_LENGTH,
    SEAL_BYTES = 4 * RECORD_BYTES, /* sealed at once, and sent by one system call */
    /* Room for one read, for what was kept until the connection's turn, and for the beginning of a
     * record. */
    PLAIN_BYTES = 3 * 65536,
    LOOK_BYTES = 1024,
    MESSAGES_MAX = 16, /* that carry no data, in MESSAGES_US */
    MESSAGES_US = 60 * 1000000,
};

/* --- messages after the handshake --- */

/* Counts KeyUpdates, tickets of servers, and alerts that we send. A KeyUpdate has 27 bytes, takes
 * 30 us of the CPU, and is answered even if nobody reads the answer: one read full of them would
 * hold the loop for 80 ms. An honest peer sends one in hours. A peer that wants to negotiate again
 * (TLS 1.2) gets an alert. */
static void on_info(const SSL *ssl, int where, int value)
{
    struct tls *t = SSL_get_app_data(ssl);
    OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
    bool is_message = (where & SSL_CB_LOOP) != 0 &&
                      (state == TLS_ST_SR_KEY_UPDATE || state == TLS_ST_CR_KEY_UPDATE ||
                       (state == TLS_ST_CR_SESSION_TICKET && t->state == TLS_OPEN));
    uint64_t now_us;

    (void)value;
    if (!is_message && where != SSL_CB_WRITE_ALERT)
        return;
    now_us = clock_steady_us();
    if (now_us - t->messages_since_us > MESSAGES_US) {
        t->messages_since_us = now_us;
        t->messages = 0;
    }
    if (++t->messages > MESSAGES_MAX)
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
        if (t->messages <= MESSAGES_MAX)
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
    tls_library_forget_errors();
    while (unseal_has_more(t) && unseal_some(t, took))
        continue;
    tls_wire.in = (struct slice){"", 0};
}

void tls_unseal(struct tls *t, struct slice sealed, struct tls_took *took)
{
    if (t->state != TLS_OPEN)
        return;
    tls_wire.in = sealed;
    tls_unseal_rest(t, took);
}

/* `plain` may be in use: hence a buffer of its own. */
enum tls_look tls_look(struct tls *t, struct slice sealed)
{
    char opened[LOOK_BYTES];
    size_t before = buffer_length(&t->kept), got;
    enum tls_look look;

    if (t->state != TLS_OPEN)
        return t->state == TLS_ENDED ? TLS_LOOK_END : TLS_LOOK_BROKEN;
    tls_library_forget_errors();
    tls_wire.in = sealed;
    while (SSL_read_ex(t->ssl, opened, sizeof opened, &got) == 1)
        buffer_append(&t->kept, (struct slice){opened, got});
    look = unseal_nothing(t);
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
static struct slice parts_take(struct tls_parts *p)
{
    static char joined[RECORD_BYTES];
    size_t bytes = p->left_bytes < RECORD_BYTES ? p->left_bytes : RECORD_BYTES, length = 0;
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

bool tls_seal(struct tls *t, struct tls_parts *parts)
{
    size_t written;

    if (t->has_said_end || (t->state != TLS_OPEN && t->state != TLS_ENDED))
        return false;
    tls_library_forget_errors();
    for (size_t sealed = 0; parts->left_bytes > 0 && sealed < SEAL_BYTES; sealed += RECORD_BYTES) {
        struct slice record = parts_take(parts);

        if (SSL_write_ex(t->ssl, record.start, record.length, &written) != 1) {
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
    t->ssl = NULL;
    t->state = TLS_BROKEN;
    buffer_dispose(&t->kept);
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
    if (t->server != NULL)
        t->client = tls_client_new(t->ssl, t->forwards_client);
    t->said.client = t->client;
}
