/*
 * Each certificate is a struct piece, and behind it these bytes, with the lengths that it names:
 *
 *   piece | chain | key, if in another file | names | path of the chain | path of the key | pattern
 *
 * Behind the certificates are the files that clients are verified with. Each entry of tls.clients
 * is a struct piece, and behind it the certificates that sign (as chain), the revocation lists (as
 * key), and their paths. Behind those are the files of tls.remotes: the certificates that sign (as
 * chain, with their path), and the certificate that is shown. The keys of tickets are a piece of
 * their own, as its chain.
 */
#include "config/certificates.h"

#include "base/mem.h"
#include "lua/fields.h"
#include "shared/segment.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

#define PATTERN_BYTES "*?["

enum { TICKET_KEYS_BYTES_MAX = SEGMENT_TICKET_KEYS * SEGMENT_TICKET_KEY_BYTES };

enum piece_kind { PIECE_OF_SITE, PIECE_OF_CLIENTS, PIECE_OF_REMOTE, PIECE_CA, PIECE_TICKETS };

struct piece {
    struct tls_facts facts;          /* of a certificate */
    uint32_t kind, which;            /* enum piece_kind; which of tls.clients or tls.remotes */
    uint32_t chain_bytes, key_bytes; /* key 0: the chain's file has the key, too */
    uint32_t names_bytes, cert_bytes, path_bytes, pattern_bytes; /* the paths with their NULs */
    bool others_may_read;
};

struct reading {
    struct config_tls *tls;
    struct fields_wrong *wrong;
    char setting[64]; /* "tls.certificates[2]" */
    const char *pattern;
    enum piece_kind kind;
    unsigned which;
};

/* --- what is wrong --- */

/* "tls.certificates[2]: shop.key: ". */
static struct buffer *wrong_words(struct reading *r, const char *path)
{
    struct fields_wrong *wrong = r->wrong;

    wrong->is_set = true;
    snprintf(wrong->path, sizeof wrong->path, "%s", r->setting);
    buffer_printf(&wrong->message, "%s: %s: ", wrong->path, path);
    return &wrong->message;
}

static bool fail(struct reading *r, const char *path, const char *words)
{
    buffer_append_text(wrong_words(r, path), words);
    return false;
}

static bool fail_to_read(struct reading *r, const char *path, int error)
{
    switch (error) {
    case EFBIG:
        buffer_printf(wrong_words(r, path), "all certificates together have %zu MiB at most",
                      r->tls->vault.room >> 20);
        return false;
    case EISDIR:
        return fail(r, path, "that is a folder: write the files in it, as in \"certs/*.pem\"");
    case ENOTSUP:
        return fail(r, path, "that is no file");
    case ENOENT:
        if (strpbrk(path, PATTERN_BYTES) != NULL)
            return fail(r, path, "no pattern is allowed here: write the path of one file");
        return fail(r, path, strerror(error));
    default:
        return fail(r, path, strerror(error));
    }
}

/* --- one certificate --- */

static bool put(struct reading *r, const char *path, struct slice bytes)
{
    return vault_append(&r->tls->vault, bytes) || fail_to_read(r, path, EFBIG);
}

static bool put_file(struct reading *r, const char *path, struct slice *bytes, unsigned *mode)
{
    struct vault *vault = &r->tls->vault;
    size_t before = vault->length;
    int error = vault_append_file(vault, path, mode);

    if (error != 0)
        return fail_to_read(r, path, error);
    *bytes = (struct slice){vault->bytes + before, vault->length - before};
    return true;
}

static bool put_texts(struct reading *r, const char *cert, const char *key,
                      const struct buffer *names, struct piece *piece)
{
    struct slice cert_path = {cert, strlen(cert) + 1}, key_path = {key, strlen(key) + 1};
    struct slice pattern = {r->pattern, strlen(r->pattern) + 1};

    piece->pattern_bytes = (uint32_t)pattern.length;
    piece->names_bytes = (uint32_t)buffer_length(names);
    piece->cert_bytes = (uint32_t)cert_path.length;
    piece->path_bytes = (uint32_t)key_path.length;
    return put(r, cert, buffer_slice(names)) && put(r, cert, cert_path) && put(r, cert, key_path) &&
           put(r, cert, pattern);
}

/* Only the first certificate may have no name: it serves clients that ask for no known name. */
static bool check(struct reading *r, const char *cert, const char *key,
                  const struct tls_certificate *pem, struct piece *piece, struct buffer *names)
{
    enum tls_fault fault;
    struct buffer words = {0};
    bool is_right = tls_certificate_check(pem, &piece->facts, names, &words, &fault);

    if (is_right && r->kind == PIECE_OF_SITE && buffer_length(names) == 0 &&
        r->tls->files.length > 0) {
        buffer_append_text(&words, "it has no name (no DNS name in subjectAltName), so nobody "
                                   "would get it: only the first certificate may be so");
        is_right = false;
    }
    if (!is_right)
        buffer_append(wrong_words(r, key != NULL && fault == TLS_FAULT_KEY ? key : cert),
                      buffer_slice(&words));
    if (!is_right && key != NULL && fault == TLS_FAULT_BOTH)
        buffer_printf(&r->wrong->message, " (with %s)", key);
    buffer_dispose(&words);
    return is_right;
}

static bool read_pieces(struct reading *r, const char *cert, const char *key, struct piece *piece,
                        struct buffer *names)
{
    struct tls_certificate pem;
    unsigned mode;

    if (!put_file(r, cert, &pem.chain, &mode))
        return false;
    pem.key = pem.chain;
    piece->chain_bytes = (uint32_t)pem.chain.length;
    if (key != NULL) {
        if (!put_file(r, key, &pem.key, &mode))
            return false;
        piece->key_bytes = (uint32_t)pem.key.length;
    }
    piece->others_may_read = (mode & (S_IRGRP | S_IROTH)) != 0;
    return check(r, cert, key, &pem, piece, names) &&
           put_texts(r, cert, key != NULL ? key : cert, names, piece);
}

static bool read_one(struct reading *r, const char *cert, const char *key)
{
    struct config_tls *tls = r->tls;
    size_t at = tls->vault.length;
    struct buffer names = {0};
    struct piece piece;
    bool is_fine;

    memset(&piece, 0, sizeof piece); /* its padding, too: readings are compared by bytes */
    piece.kind = r->kind;
    piece.which = r->which;
    is_fine = put(r, cert, (struct slice){(const char *)&piece, sizeof piece}) &&
              read_pieces(r, cert, key, &piece, &names);
    buffer_dispose(&names);
    if (!is_fine)
        return false;
    memcpy(tls->vault.bytes + at, &piece, sizeof piece);
    tls->files = vault_slice(&tls->vault);
    return true;
}

/* --- of clients --- */

static bool put_list(struct reading *r, const char *path, bool is_crl, uint32_t *bytes)
{
    struct buffer words = {0};
    struct slice pem;
    unsigned mode;
    bool is_right;

    if (path == NULL)
        return true;
    if (!put_file(r, path, &pem, &mode))
        return false;
    *bytes = (uint32_t)pem.length;
    is_right = tls_certificate_check_list(pem, is_crl, &words);
    if (!is_right)
        buffer_append(wrong_words(r, path), buffer_slice(&words));
    buffer_dispose(&words);
    return is_right;
}

static bool put_path(struct reading *r, const char *path, uint32_t *bytes)
{
    *bytes = path != NULL ? (uint32_t)strlen(path) + 1 : 0;
    return *bytes == 0 || put(r, path, (struct slice){path, *bytes});
}

static bool read_client(struct reading *r, unsigned which)
{
    const struct config_tls_client *client = &r->tls->clients[which];
    size_t at = r->tls->vault.length;
    struct piece piece;

    if (client->ca == NULL)
        return true;
    if (client->site == NULL)
        snprintf(r->setting, sizeof r->setting, "tls.client");
    else
        snprintf(r->setting, sizeof r->setting, "tls.sites");
    memset(&piece, 0, sizeof piece);
    piece.kind = PIECE_OF_CLIENTS;
    piece.which = which;
    if (!put(r, client->ca, (struct slice){(const char *)&piece, sizeof piece}) ||
        !put_list(r, client->ca, false, &piece.chain_bytes) ||
        !put_list(r, client->crl, true, &piece.key_bytes) ||
        !put_path(r, client->ca, &piece.cert_bytes) || !put_path(r, client->crl, &piece.path_bytes))
        return false;
    memcpy(r->tls->vault.bytes + at, &piece, sizeof piece);
    r->tls->files = vault_slice(&r->tls->vault);
    return true;
}

/* --- keys of tickets --- */

/* NULL: they are right. Somebody may have made them as hex digits, or in base64. */
static const char *objection_to_keys(struct slice keys)
{
    bool is_text = true;

    if (keys.length == 0 || keys.length > TICKET_KEYS_BYTES_MAX ||
        keys.length % SEGMENT_TICKET_KEY_BYTES != 0)
        return "expected one to three keys of 32 random bytes: openssl rand -out FILE 32";
    for (size_t i = 0; i < keys.length; i++)
        is_text &= (keys.start[i] >= ' ' && keys.start[i] <= '~') || keys.start[i] == '\n';
    return is_text ? "this is text, not random bytes: openssl rand -out FILE 32" : NULL;
}

static bool read_tickets(struct reading *r, const char *path)
{
    size_t at = r->tls->vault.length;
    const char *objection;
    struct piece piece;
    struct slice keys = {"", 0};
    unsigned mode;

    memset(&piece, 0, sizeof piece);
    piece.kind = PIECE_TICKETS;
    piece.cert_bytes = (uint32_t)strlen(path) + 1;
    snprintf(r->setting, sizeof r->setting, "tls.ticket_keys");
    if (!put(r, path, (struct slice){(const char *)&piece, sizeof piece}) ||
        !put_file(r, path, &keys, &mode))
        return false;
    objection = objection_to_keys(keys);
    if (objection != NULL)
        return fail(r, path, objection);
    piece.chain_bytes = (uint32_t)keys.length;
    piece.others_may_read = (mode & (S_IRGRP | S_IROTH)) != 0;
    if (!put(r, path, (struct slice){path, piece.cert_bytes}))
        return false;
    memcpy(r->tls->vault.bytes + at, &piece, sizeof piece);
    r->tls->files = vault_slice(&r->tls->vault);
    return true;
}

/* --- of backends --- */

static bool read_ca(struct reading *r, const char *path)
{
    size_t at = r->tls->vault.length;
    struct piece piece;

    memset(&piece, 0, sizeof piece);
    piece.kind = PIECE_CA;
    piece.which = r->which;
    piece.cert_bytes = (uint32_t)strlen(path) + 1;
    if (!put(r, path, (struct slice){(const char *)&piece, sizeof piece}) ||
        !put_list(r, path, false, &piece.chain_bytes) ||
        !put(r, path, (struct slice){path, piece.cert_bytes}))
        return false;
    memcpy(r->tls->vault.bytes + at, &piece, sizeof piece);
    r->tls->files = vault_slice(&r->tls->vault);
    return true;
}

static bool read_remote(struct reading *r, unsigned which)
{
    const struct config_remote *remote = &r->tls->remotes[which];

    snprintf(r->setting, sizeof r->setting, "backends[%u].tls", remote->backend + 1);
    r->kind = PIECE_OF_REMOTE;
    r->which = which;
    r->pattern = "";
    return (remote->ca == NULL || read_ca(r, remote->ca)) &&
           (remote->cert == NULL || read_one(r, remote->cert, remote->key));
}

/* --- all of them --- */

static int folder_error; /* why glob could not read a folder; 0: it could */

static int on_folder(const char *path, int error)
{
    (void)path;
    if (error != ENOENT && error != ENOTDIR)
        folder_error = error;
    return 0;
}

static bool read_pattern(struct reading *r, const char *pattern)
{
    glob_t found;
    bool is_fine = true;
    int code;

    if (strpbrk(pattern, PATTERN_BYTES) == NULL)
        return read_one(r, pattern, NULL);
    r->pattern = pattern;
    folder_error = 0;
    code = glob(pattern, 0, on_folder, &found);
    if (code == GLOB_NOMATCH && folder_error != 0)
        return fail_to_read(r, pattern, folder_error);
    if (code != 0)
        return fail(r, pattern, code == GLOB_NOMATCH ? "no file has such a path" : "no memory");
    for (size_t i = 0; i < found.gl_pathc && is_fine; i++)
        is_fine = read_one(r, found.gl_pathv[i], NULL);
    globfree(&found);
    return is_fine;
}

void certificates_read(struct config_tls *tls, struct fields_wrong *wrong)
{
    struct reading r = {tls, wrong, "tls", "", PIECE_OF_SITE, 0};
    bool is_fine = true;

    if (!vault_open(&tls->vault, tls->certificates_count > 0 ? CERTIFICATES_BYTES_MAX
                                                             : CERTIFICATES_FEW_BYTES_MAX)) {
        fail(&r, "memory for certificates", strerror(errno));
        return;
    }
    for (unsigned i = 0; i < tls->certificates_count && is_fine; i++) {
        const struct config_certificate *one = &tls->certificates[i];

        snprintf(r.setting, sizeof r.setting, "tls.certificates[%u]", i + 1);
        r.pattern = "";
        is_fine =
            one->key != NULL ? read_one(&r, one->cert, one->key) : read_pattern(&r, one->cert);
    }
    for (unsigned i = 0; i < tls->clients_count && is_fine; i++)
        is_fine = read_client(&r, i);
    if (tls->ticket_keys != NULL && is_fine)
        is_fine = read_tickets(&r, tls->ticket_keys);
    for (unsigned i = 0; i < tls->remotes_count && is_fine; i++)
        is_fine = read_remote(&r, i);
    vault_seal(&tls->vault);
}

/* --- found again --- */

static struct slice take(struct slice *rest, size_t bytes)
{
    struct slice taken = {rest->start, bytes};

    CHECK(bytes <= rest->length);
    *rest = (struct slice){rest->start + bytes, rest->length - bytes};
    return taken;
}

static bool next_piece(struct slice *files, struct piece *piece)
{
    if (files->length == 0)
        return false;
    memcpy(piece, take(files, sizeof *piece).start, sizeof *piece);
    return true;
}

static void skip(struct slice *files, const struct piece *piece)
{
    (void)take(files, (size_t)piece->chain_bytes + piece->key_bytes + piece->names_bytes +
                          piece->cert_bytes + piece->path_bytes + piece->pattern_bytes);
}

static bool is_certificate(const struct piece *piece)
{
    return piece->kind == PIECE_OF_SITE || piece->kind == PIECE_OF_REMOTE;
}

/* Skips the pieces before the next one of that kind; PIECE_OF_SITE: before the next certificate. */
static bool find_piece(struct slice *files, enum piece_kind kind, struct piece *piece)
{
    while (next_piece(files, piece)) {
        if (kind == PIECE_OF_SITE ? is_certificate(piece) : piece->kind == kind)
            return true;
        skip(files, piece);
    }
    return false;
}

bool certificates_next(struct slice *files, struct certificate *certificate)
{
    struct piece piece;

    if (!find_piece(files, PIECE_OF_SITE, &piece))
        return false;
    certificate->pem.chain = certificate->pem.key = take(files, piece.chain_bytes);
    if (piece.key_bytes > 0)
        certificate->pem.key = take(files, piece.key_bytes);
    certificate->names = take(files, piece.names_bytes);
    certificate->cert = take(files, piece.cert_bytes).start;
    certificate->key = take(files, piece.path_bytes).start;
    certificate->pattern = take(files, piece.pattern_bytes).start;
    certificate->facts = piece.facts;
    certificate->others_may_read = piece.others_may_read;
    certificate->remote = piece.kind == PIECE_OF_REMOTE ? (int)piece.which : -1;
    return true;
}

bool certificates_next_client(struct slice *files, struct client_files *client)
{
    struct piece piece;

    if (!find_piece(files, PIECE_OF_CLIENTS, &piece))
        return false;
    client->client = piece.which;
    client->ca = take(files, piece.chain_bytes);
    client->crl = take(files, piece.key_bytes);
    client->ca_path = take(files, piece.cert_bytes).start;
    client->crl_path = piece.path_bytes > 0 ? take(files, piece.path_bytes).start : NULL;
    return true;
}

bool certificates_next_ca(struct slice *files, struct remote_ca *ca)
{
    struct piece piece;

    if (!find_piece(files, PIECE_CA, &piece))
        return false;
    ca->remote = piece.which;
    ca->pem = take(files, piece.chain_bytes);
    ca->path = take(files, piece.cert_bytes).start;
    return true;
}

bool certificates_find_tickets(struct slice files, struct ticket_file *tickets)
{
    struct piece piece;

    if (!find_piece(&files, PIECE_TICKETS, &piece))
        return false;
    tickets->keys = take(&files, piece.chain_bytes);
    tickets->path = take(&files, piece.cert_bytes).start;
    tickets->others_may_read = piece.others_may_read;
    return true;
}

bool certificates_are_for_backends(struct slice files)
{
    struct slice rest = files;
    struct piece piece;

    return find_piece(&files, PIECE_CA, &piece) || find_piece(&rest, PIECE_OF_REMOTE, &piece);
}

bool certificates_next_name(struct slice *names, struct slice *name)
{
    if (names->length == 0)
        return false;
    *name = slice_take_until(names, '\0');
    return true;
}
