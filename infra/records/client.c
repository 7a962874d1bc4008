/*
 * client - a client of TLS 1.3 that asks many times, and looks at every byte of every answer.
 *
 *   client ADDRESS SUITE REQUESTS SEED     SUITE: aes128, aes256 or chacha
 *
 * For infra/records.lua, with the origin of the bench behind lb. It is built twice, with OpenSSL
 * and with GnuTLS: two libraries that have no line in common. What is asked for is random: answers
 * of 100 bytes, 10 KiB and 1 MiB, bodies up to 40 KB, up to four requests in one record, new keys
 * that are asked for now and then, other connections, and records with padding (GnuTLS alone).
 * Prints "requests=N bytes=N updates=N connections=N padded=N". At the first thing that is wrong it
 * says what that was, and ends with status 1.
 */
#include "../bench/loopback.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef WITH_GNUTLS
#include <gnutls/gnutls.h>
#else
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

enum {
    CONNECTIONS = 16,
    BATCH_MAX = 4,
    ROOM = 65536,
    POSTED_MAX = 40000,
    UPDATE_EVERY = 300,        /* batches; */
    CONNECTION_BATCHES = 3000, /* so a connection asks for 10 new keys at most */
};

struct connection {
#ifdef WITH_GNUTLS
    gnutls_session_t tls;
#else
    SSL *tls;
#endif
    int fd;
    unsigned batches, batches_max, asked; /* asked: requests that wait for their answers */
    size_t sizes[BATCH_MAX];              /* of these answers */
    char in[ROOM];
    size_t has, used;
};

static struct sockaddr_in address;
static const char *suite;
static struct connection connections[CONNECTIONS];
static unsigned long requests, bytes_got, updates, opened, padded;
static uint64_t state;

static uint32_t random_below(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s, after %lu requests\n", what, why, requests);
    exit(1);
}

/* --- the library --- */

#ifdef WITH_GNUTLS

static gnutls_certificate_credentials_t credentials;

static void tls_prepare(void)
{
    if (gnutls_global_init() != 0 || gnutls_certificate_allocate_credentials(&credentials) != 0)
        die("gnutls", "init");
}

static void check(const char *what, long status)
{
    if (status < 0)
        die(what, gnutls_strerror((int)status));
}

static bool again(long status)
{
    return status == GNUTLS_E_AGAIN || status == GNUTLS_E_INTERRUPTED;
}

static void tls_open(struct connection *c)
{
    const char *cipher = suite[0] == 'c'                ? "CHACHA20-POLY1305"
                         : strcmp(suite, "aes128") == 0 ? "AES-128-GCM"
                                                        : "AES-256-GCM";
    char priority[128];
    int status;

    snprintf(priority, sizeof priority, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+%s", cipher);
    check("gnutls_init", gnutls_init(&c->tls, GNUTLS_CLIENT));
    check("priority", gnutls_priority_set_direct(c->tls, priority, NULL));
    check("credentials", gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, credentials));
    gnutls_transport_set_int(c->tls, c->fd);
    do
        status = gnutls_handshake(c->tls);
    while (again(status));
    check("handshake", status);
}

static void tls_close(struct connection *c)
{
    check("bye", gnutls_bye(c->tls, GNUTLS_SHUT_WR));
    gnutls_deinit(c->tls);
}

static void tls_write(struct connection *c, const char *bytes, size_t length)
{
    while (length > 0) {
        size_t piece = length < 16000 ? length : 16000;
        bool pads = random_below(8) == 0;
        long wrote = pads ? gnutls_record_send2(c->tls, bytes, piece, random_below(300), 0)
                          : gnutls_record_send(c->tls, bytes, piece);

        check("send", wrote);
        padded += pads;
        bytes += wrote;
        length -= (size_t)wrote;
    }
}

static size_t tls_read(struct connection *c, char *out, size_t room)
{
    long got;

    do
        got = gnutls_record_recv(c->tls, out, room);
    while (again(got));
    check("recv", got);
    return (size_t)got;
}

static void tls_update(struct connection *c)
{
    check("key update", gnutls_session_key_update(c->tls, GNUTLS_KU_PEER));
}

#else

static SSL_CTX *context;

static void check(const char *what, bool is_right)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());

    if (!is_right)
        die(what, why != NULL ? why : "no reason given");
}

static void tls_prepare(void)
{
    context = SSL_CTX_new(TLS_client_method());
    check("context",
          context != NULL && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
              SSL_CTX_set_ciphersuites(context, suite[0] == 'c' ? "TLS_CHACHA20_POLY1305_SHA256"
                                                : strcmp(suite, "aes128") == 0
                                                    ? "TLS_AES_128_GCM_SHA256"
                                                    : "TLS_AES_256_GCM_SHA384") == 1);
}

static void tls_open(struct connection *c)
{
    c->tls = SSL_new(context);
    check("SSL", c->tls != NULL && SSL_set_fd(c->tls, c->fd) == 1);
    check("handshake", SSL_connect(c->tls) == 1);
}

static void tls_close(struct connection *c)
{
    check("shutdown", SSL_shutdown(c->tls) >= 0);
    SSL_free(c->tls);
}

static void tls_write(struct connection *c, const char *bytes, size_t length)
{
    size_t wrote;

    check("write", SSL_write_ex(c->tls, bytes, length, &wrote) == 1);
}

static size_t tls_read(struct connection *c, char *out, size_t room)
{
    size_t got;

    check("read", SSL_read_ex(c->tls, out, room, &got) == 1);
    return got;
}

static void tls_update(struct connection *c)
{
    check("key update", SSL_key_update(c->tls, SSL_KEY_UPDATE_REQUESTED) == 1);
}

#endif

/* --- a connection --- */

static void connection_open(struct connection *c)
{
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        loopback_die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->batches = 0;
    c->batches_max = 1 + random_below(CONNECTION_BATCHES);
    c->has = c->used = 0;
    tls_open(c);
    opened++;
}

static void connection_close(struct connection *c)
{
    tls_close(c);
    close(c->fd);
}

/* --- what is asked --- */

static size_t request_add(char *out, size_t room, size_t *answer_bytes)
{
    uint32_t kind = random_below(1000);
    size_t posted = kind < 50 ? random_below(POSTED_MAX) : 0, head;
    const char *path = kind == 999 ? "/1m" : kind > 900 ? "/10k" : "/100";

    *answer_bytes = kind == 999 ? 1048576 : kind > 900 ? 10240 : 100;
    head =
        (size_t)snprintf(out, room, "%s %s HTTP/1.1\r\nHost: a.test\r\nContent-Length: %zu\r\n\r\n",
                         posted > 0 ? "POST" : "GET", path, posted);
    memset(out + head, 'p', posted);
    return head + posted;
}

static void ask(struct connection *c)
{
    static char text[BATCH_MAX * (POSTED_MAX + 256)];
    size_t length = 0;

    if (++c->batches % UPDATE_EVERY == 0) {
        tls_update(c);
        updates++;
    }
    for (c->asked = 0; c->asked <= random_below(BATCH_MAX); c->asked++)
        length += request_add(text + length, sizeof text - length, &c->sizes[c->asked]);
    tls_write(c, text, length);
}

/* --- what is answered --- */

static void fill(struct connection *c)
{
    size_t got;

    if (c->used > 0) {
        memmove(c->in, c->in + c->used, c->has - c->used);
        c->has -= c->used;
        c->used = 0;
    }
    if (c->has == sizeof c->in - 1)
        die("answer", "a head without an end");
    got = tls_read(c, c->in + c->has, sizeof c->in - 1 - c->has);
    if (got == 0)
        die("answer", "the end");
    bytes_got += got;
    c->has += got;
}

static void read_head(struct connection *c, size_t wanted)
{
    const char *end, *field;

    for (;;) {
        c->in[c->has] = '\0';
        end = strstr(c->in + c->used, "\r\n\r\n");
        if (end != NULL)
            break;
        fill(c);
    }
    field = strcasestr(c->in + c->used, "\r\ncontent-length:");
    if (strncmp(c->in + c->used, "HTTP/1.1 200", 12) != 0 || field == NULL || field > end ||
        strtoul(field + 17, NULL, 10) != wanted)
        die("answer", "not 200 and of the right length");
    c->used = (size_t)(end + 4 - c->in);
}

static void read_body(struct connection *c, size_t left)
{
    while (left > 0) {
        size_t piece = c->has - c->used < left ? c->has - c->used : left;

        for (size_t i = 0; i < piece; i++)
            if (c->in[c->used + i] != 'x')
                die("answer", "another byte than was sent");
        c->used += piece;
        left -= piece;
        if (left > 0)
            fill(c);
    }
}

static void take_answers(struct connection *c)
{
    for (unsigned i = 0; i < c->asked; i++) {
        read_head(c, c->sizes[i]);
        read_body(c, c->sizes[i]);
        requests++;
    }
}

int main(int count, char **arguments)
{
    unsigned long wanted = count == 5 ? strtoul(arguments[3], NULL, 10) : 0;

    if (wanted == 0) {
        fprintf(stderr, "client ADDRESS aes128|aes256|chacha REQUESTS SEED\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    address = loopback_address(arguments[1]);
    suite = arguments[2];
    state = 88172645463325252u + strtoul(arguments[4], NULL, 10);
    tls_prepare();
    for (unsigned i = 0; i < CONNECTIONS; i++)
        connection_open(&connections[i]);
    while (requests < wanted) {
        for (unsigned i = 0; i < CONNECTIONS; i++)
            ask(&connections[i]);
        for (unsigned i = 0; i < CONNECTIONS; i++) {
            struct connection *c = &connections[i];

            take_answers(c);
            if (c->batches >= c->batches_max) {
                connection_close(c);
                connection_open(c);
            }
        }
    }
    for (unsigned i = 0; i < CONNECTIONS; i++)
        connection_close(&connections[i]);
    printf("requests=%lu bytes=%lu updates=%lu connections=%lu padded=%lu\n", requests, bytes_got,
           updates, opened, padded);
    return 0;
}
