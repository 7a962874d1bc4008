#include "net/tls_client.h"

#include "base/buffer.h"
#include "base/mem.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

/* The texts are written one behind the other, and get their addresses when all are written. */
struct writing {
    struct buffer text;
    struct tls_client_said *said;
};

/* text->start is the text's offset for now. */
static void end_text(struct writing *w, struct slice *text, size_t from)
{
    *text = (struct slice){(const char *)from, buffer_length(&w->text) - from};
}

static void add_hex(struct writing *w, struct slice *text, const unsigned char *bytes, size_t count)
{
    size_t from = buffer_length(&w->text);

    for (size_t i = 0; i < count; i++)
        buffer_printf(&w->text, "%02x", bytes[i]);
    end_text(w, text, from);
}

static void add_bio(struct writing *w, struct slice *text, BIO *bio)
{
    size_t from = buffer_length(&w->text);
    char *bytes;
    long length = BIO_get_mem_data(bio, &bytes);

    if (length > 0)
        buffer_append(&w->text, (struct slice){bytes, (size_t)length});
    end_text(w, text, from);
    BIO_free(bio);
}

static void add_distinguished(struct writing *w, struct slice *text, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());

    CHECK(bio != NULL);
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    add_bio(w, text, bio);
}

static void add_pem(struct writing *w, X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());

    CHECK(bio != NULL);
    PEM_write_bio_X509(bio, certificate);
    add_bio(w, &w->said->pem, bio);
}

/* Only such names are kept: a NUL or a space in a name would look like the end of it. */
static bool is_plain(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
    return length > 0;
}

static void add_names(struct writing *w, struct slice *list, const GENERAL_NAMES *all, int type)
{
    size_t from = buffer_length(&w->text);

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        const unsigned char *bytes;
        size_t length;

        if (name->type != type)
            continue;
        bytes = ASN1_STRING_get0_data(name->d.ia5);
        length = (size_t)ASN1_STRING_length(name->d.ia5);
        if (!is_plain(bytes, length))
            continue;
        buffer_append(&w->text, (struct slice){(const char *)bytes, length});
        buffer_append_byte(&w->text, '\0');
    }
    end_text(w, list, from);
}

static void add_certificate(struct writing *w, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_bytes = 0;
    struct tm end;

    add_distinguished(w, &w->said->subject, X509_get_subject_name(certificate));
    add_distinguished(w, &w->said->issuer, X509_get_issuer_name(certificate));
    add_hex(w, &w->said->serial, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
    X509_digest(certificate, EVP_sha256(), digest, &digest_bytes);
    add_hex(w, &w->said->sha256, digest, digest_bytes);
    add_pem(w, certificate);
    add_names(w, &w->said->names.dns, names, GEN_DNS);
    add_names(w, &w->said->names.uri, names, GEN_URI);
    add_names(w, &w->said->names.email, names, GEN_EMAIL);
    GENERAL_NAMES_free(names);
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1)
        w->said->not_after = (int64_t)timegm(&end);
}

/* --- as fields --- */

/* ":TUlJ..=:" (RFC 9440, 2.1). */
static void add_bytes_of(struct writing *w, X509 *certificate)
{
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    unsigned char *room;

    if (length <= 0)
        return;
    room = mem_alloc((size_t)length / 3 * 4 + 5);
    buffer_append_byte(&w->text, ':');
    buffer_append(&w->text,
                  (struct slice){(const char *)room, (size_t)EVP_EncodeBlock(room, der, length)});
    buffer_append_byte(&w->text, ':');
    mem_free(room);
    OPENSSL_free(der);
}

/* The chain is the verified one without the certificate of client.ca at its end: a client may have
 * sent others. A resumed session has none, as tickets do not hold it. */
static void add_fields(struct writing *w, const SSL *ssl, X509 *certificate)
{
    const STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl); /* the client's own first */
    size_t from = buffer_length(&w->text);

    add_bytes_of(w, certificate);
    end_text(w, &w->said->field, from);
    from = buffer_length(&w->text);
    for (int i = 1; i < sk_X509_num(chain) - 1; i++) {
        buffer_append_text(&w->text, i > 1 ? ", " : "");
        add_bytes_of(w, sk_X509_value(chain, i));
    }
    end_text(w, &w->said->chain_field, from);
}

/* --- all of it --- */

enum { TEXTS = 11 };

static void list_texts(struct tls_client_said *said, struct slice *texts[TEXTS])
{
    struct slice *all[TEXTS] = {
        &said->error,       &said->subject, &said->issuer,      &said->serial,
        &said->sha256,      &said->pem,     &said->names.dns,   &said->names.uri,
        &said->names.email, &said->field,   &said->chain_field,
    };

    memcpy(texts, all, sizeof all);
}

/* The block of texts has moved, from `from` to `to`: the slices follow. */
static void move_texts(struct tls_client_said *said, const char *from, const char *to)
{
    struct slice *texts[TEXTS];

    list_texts(said, texts);
    for (size_t i = 0; i < TEXTS; i++)
        texts[i]->start = to + (size_t)(texts[i]->start - from);
}

/* The slices that a certificate does not fill are empty and lie nowhere. */
bool tls_client_move(struct tls_client_said *said, uintptr_t from)
{
    struct slice *texts[TEXTS];

    list_texts(said, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        uintptr_t at = (uintptr_t)texts[i]->start - from;

        if (texts[i]->length == 0)
            at = 0;
        if (at > said->texts_bytes || texts[i]->length > said->texts_bytes - at)
            return false;
        texts[i]->start = (const char *)(said + 1) + at;
    }
    return true;
}

/* Copies the texts behind the struct. */
static struct tls_client_said *place(const struct writing *w)
{
    size_t length = buffer_length(&w->text);
    struct tls_client_said *said = mem_alloc(sizeof *said + length);

    *said = *w->said;
    said->texts_bytes = length;
    memcpy(said + 1, buffer_slice(&w->text).start, length);
    move_texts(said, NULL, (const char *)(said + 1));
    return said;
}

const struct tls_client_said *tls_client_copy(const struct tls_client_said *said,
                                              struct arena *arena)
{
    struct tls_client_said *copy;

    if (said == NULL)
        return NULL;
    copy = arena_alloc(arena, sizeof *copy + said->texts_bytes);
    memcpy(copy, said, sizeof *copy + said->texts_bytes);
    move_texts(copy, (const char *)(said + 1), (const char *)(copy + 1));
    return copy;
}

struct tls_client_said *tls_client_new(const struct ssl_st *ssl, bool forwards)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    long result = SSL_get_verify_result(ssl);
    struct tls_client_said said = {0}, *placed;
    struct writing w = {.said = &said};

    if (certificate == NULL)
        return NULL;
    if (result != X509_V_OK)
        buffer_append_text(&w.text, X509_verify_cert_error_string(result));
    end_text(&w, &said.error, 0);
    add_certificate(&w, certificate);
    if (forwards && result == X509_V_OK)
        add_fields(&w, ssl, certificate);
    X509_free(certificate);
    placed = place(&w);
    buffer_dispose(&w.text);
    return placed;
}
