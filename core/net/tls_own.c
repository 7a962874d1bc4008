#include "net/tls_own.h"

#include "base/cells.h"
#include "net/tls_library.h"

#include <openssl/ssl.h>
#include <string.h>

enum {
    BARREN_MAX = 16,
    BARREN_CANCELED = 4, /* as many as an empty record is counted a user_canceled */
    KEY_UPDATE = 24,     /* a handshake message (RFC 8446, 4.6.3) */
    KEY_UPDATE_BYTES = 5,
    RANDOM_DIGITS = 64,
};

static int index_of_own = -1; /* among what an SSL carries for its user */
static struct cells cells;

/* --- secrets --- */

/* The number of bytes; 0: it is none of ours. */
static uint8_t read_secret(const char *digits, uint8_t secret[TLS_SECRET_BYTES_MAX])
{
    size_t bytes;

    if (OPENSSL_hexstr2buf_ex(secret, TLS_SECRET_BYTES_MAX, &bytes, digits, '\0') == 1)
        return (uint8_t)bytes;
    tls_library_forget_errors();
    return 0;
}

/* The digits of the secret in such a line; NULL: it is another line.
 *     CLIENT_TRAFFIC_SECRET_0 <client's random> <secret> */
static const char *digits_behind(const char *line, const char *label)
{
    size_t length = strlen(label);

    if (strncmp(line, label, length) != 0 || strlen(line) < length + RANDOM_DIGITS + 1)
        return NULL;
    return line + length + RANDOM_DIGITS + 1;
}

/* OpenSSL frees the line behind this call, and wipes it then; it is wiped here to be sure. */
static void on_secret(const SSL *ssl, const char *line)
{
    struct tls_own *own = SSL_get_ex_data(ssl, index_of_own);
    const char *in = digits_behind(line, "CLIENT_TRAFFIC_SECRET_0 ");
    const char *out = digits_behind(line, "SERVER_TRAFFIC_SECRET_0 ");

    if (own != NULL && in != NULL)
        own->in_bytes = read_secret(in, own->in.secret);
    if (own != NULL && out != NULL)
        own->out_bytes = read_secret(out, own->out.secret);
    if (in != NULL || out != NULL)
        SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), NULL);
    OPENSSL_cleanse((void *)(uintptr_t)line, strlen(line));
}

/* OpenSSL 3.0 writes each digit by printf: a secret takes 4 us, and it has five. So it reports only
 * from here on, up to the secret that is asked for: the server's comes behind these extensions. */
static void on_state(const SSL *ssl, int where, int value)
{
    (void)value;
    if ((where & SSL_CB_LOOP) != 0 && SSL_get_state(ssl) == TLS_ST_SW_ENCRYPTED_EXTENSIONS)
        SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), on_secret);
}

void tls_own_begin(const struct tls_own *own, SSL *ssl)
{
    if (own != NULL && own->out_bytes > 0) /* then the client's is the only one that comes */
        SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), on_secret);
}

void tls_own_end(const struct tls_own *own, SSL *ssl)
{
    if (own != NULL)
        SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), NULL);
}

bool tls_own_prepare(void)
{
    if (index_of_own < 0) {
        index_of_own = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        cells_init(&cells, sizeof(struct tls_own));
    }
    return index_of_own >= 0 && tls_record_prepare();
}

struct tls_own *tls_own_new(SSL *ssl)
{
    struct tls_own *own;

    CHECK(index_of_own >= 0);
    own = cells_take(&cells);
    if (SSL_set_ex_data(ssl, index_of_own, own) != 1) {
        cells_give(&cells, own);
        return NULL;
    }
    SSL_set_info_callback(ssl, on_state);
    return own;
}

void tls_own_free(struct tls_own *own)
{
    if (own == NULL)
        return;
    buffer_dispose(&own->part);
    tls_keys_wipe(&own->in);
    tls_keys_wipe(&own->out);
    cells_give(&cells, own);
}

struct tls_own *tls_own_arrive(uint16_t suite, const uint8_t *in, const uint8_t *out)
{
    struct tls_own *own = cells_take(&cells);

    CHECK(index_of_own >= 0);
    if (tls_keys_set(&own->in, suite, in) && tls_keys_set(&own->out, suite, out))
        return own;
    tls_own_free(own);
    return NULL;
}

/* --- from the handshake --- */

/* The server's call that reads Finished writes only tickets, and all that it writes is sealed with
 * the traffic key. So their number is that of our first record. False: it wrote something else. */
static bool count_records(struct slice wrote, uint64_t *count)
{
    const struct tls_flaw *flaw;

    for (*count = 0; wrote.length > 0; (*count)++) {
        size_t record = tls_record_measure(wrote, &flaw);

        if (record == 0 || flaw != NULL || record > wrote.length)
            return false;
        wrote.start += record;
        wrote.length -= record;
    }
    return true;
}

/* Has the client asked for shorter records (RFC 6066, 4)? OpenSSL makes them. */
static bool wants_short_records(const SSL *ssl)
{
    uint8_t mode = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl));

    return mode >= TLSEXT_max_fragment_length_512 && mode <= TLSEXT_max_fragment_length_4096;
}

static bool take(struct tls_own *own, const SSL *ssl, struct slice wrote)
{
    uint16_t suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl));
    unsigned bytes = tls_record_secret_bytes(suite);
    uint64_t written;

    if (SSL_version(ssl) != TLS1_3_VERSION || bytes == 0 || own->in_bytes != bytes ||
        own->out_bytes != bytes || SSL_has_pending(ssl) || SSL_get_shutdown(ssl) != 0 ||
        wants_short_records(ssl) || !count_records(wrote, &written))
        return false;
    if (!tls_keys_set(&own->in, suite, own->in.secret) ||
        !tls_keys_set(&own->out, suite, own->out.secret))
        return false;
    own->out.sequence = written;
    return true;
}

bool tls_own_take(struct tls_own *own, SSL *ssl, struct slice wrote)
{
    SSL_set_info_callback(ssl, NULL);
    (void)SSL_set_ex_data(ssl, index_of_own, NULL); /* it reports nothing any more */
    return take(own, ssl, wrote);
}

/* --- out --- */

static bool seal(struct tls_own *own, enum tls_record_type type, struct slice content)
{
    char *room = buffer_reserve(&tls_wire.out, content.length + TLS_RECORD_MORE_BYTES);
    size_t length = tls_record_seal(&own->out, type, content, room);

    buffer_grow(&tls_wire.out, length);
    return length > 0;
}

/* Our next records have the next key. */
static bool seal_update(struct tls_own *own)
{
    static const char update[KEY_UPDATE_BYTES] = {KEY_UPDATE, 0, 0, 1, 0}; /* none is asked for */

    return seal(own, TLS_RECORD_HANDSHAKE, (struct slice){update, sizeof update}) &&
           tls_keys_update(&own->out);
}

bool tls_own_seal(struct tls_own *own, struct slice content)
{
    if (own->has_said_end || (own->out.sequence >= TLS_RECORD_KEY_WEARS && !seal_update(own)))
        return false;
    return seal(own, TLS_RECORD_DATA, content);
}

static void seal_alert(struct tls_own *own, uint8_t level, uint8_t description)
{
    const char alert[] = {(char)level, (char)description};

    if (!own->has_said_end)
        (void)seal(own, TLS_RECORD_ALERT, (struct slice){alert, sizeof alert});
    own->has_said_end = true;
}

void tls_own_seal_end(struct tls_own *own)
{
    seal_alert(own, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
}

/* --- in --- */

static const struct tls_flaw flaw_alert = {SSL_AD_UNEXPECTED_MESSAGE, "an alert that is none"};
static const struct tls_flaw flaw_message = {SSL_AD_UNEXPECTED_MESSAGE,
                                             "a message that may not come after the handshake"};
static const struct tls_flaw flaw_update = {SSL_AD_ILLEGAL_PARAMETER, "a KeyUpdate that is none"};
static const struct tls_flaw flaw_type = {SSL_AD_UNEXPECTED_MESSAGE, "a record of unknown type"};
static const struct tls_flaw flaw_barren = {SSL_AD_UNEXPECTED_MESSAGE,
                                            "too many records without data"};
static const struct tls_flaw flaw_many = {SSL_AD_UNEXPECTED_MESSAGE,
                                          "too many messages that are no data"};
static const struct tls_flaw flaw_own = {SSL_AD_INTERNAL_ERROR, "OpenSSL has failed"};
/* It is not answered. */
static const struct tls_flaw told = {SSL_AD_CLOSE_NOTIFY, "the client has sent an alert"};

static const struct tls_flaw *take_barren(struct tls_own *own, unsigned weight)
{
    own->barren = (uint8_t)(own->barren + weight);
    return own->barren > BARREN_MAX ? &flaw_barren : NULL;
}

static const struct tls_flaw *take_alert(struct tls_own *own, struct slice alert, bool *ends)
{
    if (alert.length != 2)
        return &flaw_alert;
    switch ((uint8_t)alert.start[1]) {
    case SSL_AD_CLOSE_NOTIFY:
        *ends = true;
        return NULL;
    case SSL_AD_USER_CANCELLED: /* a close_notify follows (RFC 8446, 6.1) */
        return take_barren(own, BARREN_CANCELED);
    default:
        return &told;
    }
}

/* A client may send nothing but KeyUpdate after its handshake, and a key changes between records
 * (RFC 8446, 5.1). So a record has one whole KeyUpdate. */
static const struct tls_flaw *take_message(struct tls_own *own, struct slice message)
{
    const uint8_t *bytes = (const uint8_t *)message.start;

    if (message.length != KEY_UPDATE_BYTES || bytes[0] != KEY_UPDATE)
        return &flaw_message;
    if (bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 1 || bytes[4] > 1)
        return &flaw_update;
    if (!tls_messages_count(&own->messages))
        return &flaw_many;
    if (!tls_keys_update(&own->in))
        return &flaw_own;
    if (bytes[4] == 1 && !own->has_said_end && !seal_update(own))
        return &flaw_own;
    return NULL;
}

static const struct tls_flaw *take_content(struct tls_own *own, const struct tls_content *content,
                                           struct slice *plain, bool *ends)
{
    switch (content->type) {
    case TLS_RECORD_DATA:
        if (content->bytes.length == 0)
            return take_barren(own, 1);
        own->barren = 0;
        *plain = content->bytes;
        return NULL;
    case TLS_RECORD_ALERT:
        return take_alert(own, content->bytes, ends);
    case TLS_RECORD_HANDSHAKE:
        return take_message(own, content->bytes);
    default:
        return &flaw_type;
    }
}

/* Moves bytes from *in to own->part. True: that has as many. */
static bool part_fill(struct tls_own *own, struct slice *in, size_t bytes)
{
    size_t has = buffer_length(&own->part), missing = bytes > has ? bytes - has : 0;
    size_t piece = missing < in->length ? missing : in->length;

    if (piece > 0)
        buffer_append(&own->part, (struct slice){in->start, piece});
    in->start += piece;
    in->length -= piece;
    return piece == missing;
}

/* A record that does not lie in *in as a whole is collected in own->part. True: *record is
 * complete, or *flaw says what is wrong with it. */
static bool take_record(struct tls_own *own, struct slice *in, struct slice *record,
                        const struct tls_flaw **flaw)
{
    bool is_first = buffer_length(&own->part) == 0;
    size_t bytes = 0;

    if (is_first || part_fill(own, in, TLS_RECORD_HEAD_BYTES))
        bytes = tls_record_measure(is_first ? *in : buffer_slice(&own->part), flaw);
    if (*flaw != NULL)
        return true;
    if (is_first && bytes > 0 && bytes <= in->length) {
        *record = (struct slice){in->start, bytes};
        in->start += bytes;
        in->length -= bytes;
        return true;
    }
    if (!part_fill(own, in, bytes > 0 ? bytes : TLS_RECORD_HEAD_BYTES) || bytes == 0)
        return false;
    *record = buffer_slice(&own->part);
    return true;
}

enum tls_own_result tls_own_open(struct tls_own *own, struct slice *in, char *out,
                                 struct slice *plain, const char **why)
{
    const struct tls_flaw *flaw = NULL;
    struct tls_content content;
    struct slice record;
    bool ends = false;

    *plain = (struct slice){out, 0};
    if (!take_record(own, in, &record, &flaw))
        return TLS_OWN_MORE;
    if (flaw == NULL)
        flaw = tls_record_open(&own->in, record, out, &content);
    if (flaw == NULL)
        flaw = take_content(own, &content, plain, &ends);
    buffer_dispose(&own->part);
    if (flaw == NULL)
        return ends ? TLS_OWN_END : TLS_OWN_DATA;
    if (flaw != &told)
        seal_alert(own, SSL3_AL_FATAL, flaw->alert);
    *why = flaw->why;
    return TLS_OWN_BROKEN;
}
