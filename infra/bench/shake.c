/*
 * shake - the TLS client of the bench: connections that are made one after the other, or that stay.
 *
 *   shake full ADDRESS PATH SECONDS      a connection, a request, the end, again and again
 *   shake resumed ADDRESS PATH SECONDS   the same; each resumes the session of the one before
 *   shake idle ADDRESS PATH COUNT        connections that have asked once, and stay
 *   shake h2 ADDRESS PATH COUNT          the same in HTTP/2
 *   shake hello ADDRESS PATH COUNT       connections that have sent half of a ClientHello, and stay
 *   shake finish ADDRESS PATH COUNT      connections that owe the last message of their handshake
 *
 * The first two print "requests=N us=N resumed=N". The others print "open N" when all stand, and
 * end at SIGTERM. An answer that is not 200 and whole ends it with status 1, and so does a
 * connection that should stay and was closed.
 * TLS 1.3 with AES-128-GCM and X25519: what the contestants would else choose differs.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <time.h>

#include "loopback.h"

enum { HELLO_SENT = 100, READ_BYTES = 65536, TEXT_BYTES = 512 };

static struct sockaddr_in address;
static char request[TEXT_BYTES];
static size_t request_bytes;
static SSL_CTX *context;

static void die(const char *what)
{
    fprintf(stderr, "shake: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static char *put_text(char *at, const char *prefix, const char *text)
{
    *at++ = *prefix; /* a name of the table */
    *at++ = (char)strlen(text);
    return stpcpy(at, text);
}

/* In HTTP/2: preface, SETTINGS, an acknowledgement of those that will come, and one request. */
static void prepare_h2(const char *where, const char *path)
{
    static const char beginning[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                    "\0\0\0\4\0\0\0\0\0"
                                    "\0\0\0\4\1\0\0\0\0"
                                    "\0\0\0\1\5\0\0\0\1"
                                    "\x82\x87"; /* GET, https */
    static const unsigned char alpn[] = "\2h2";
    char *head = request + sizeof beginning - 1 - 2 - 9, *at = head + 9 + 2;

    if (strlen(where) + strlen(path) > 120)
        die("the address or the path is too long");
    memcpy(request, beginning, sizeof beginning - 1);
    at = put_text(at, "\1", where); /* :authority */
    at = put_text(at, "\4", path);  /* :path */
    head[2] = (char)(at - head - 9);
    request_bytes = (size_t)(at - request);
    if (SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn - 1) != 0)
        die("no ALPN");
}

static void prepare(const char *where, const char *path, bool is_h2)
{
    address = loopback_address(where);
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519") != 1)
        die("no context");
    request_bytes = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
                                     path, where);
    if (is_h2)
        prepare_h2(where, path);
}

static int connected(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        loopback_die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static SSL *client(BIO *in, BIO *out, SSL_SESSION *session)
{
    SSL *ssl = SSL_new(context);
    if (ssl == NULL || in == NULL || out == NULL)
        die("no client");
    if (session != NULL && SSL_set_session(ssl, session) != 1)
        die("the session cannot be used");
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    return ssl;
}

/* How much of it is there; false: not an answer with 200. */
static bool is_whole(const char *text, size_t length, bool *whole)
{
    const char *head_end = strstr(text, "\r\n\r\n");
    const char *field = head_end != NULL ? strcasestr(text, "\r\ncontent-length:") : NULL;

    if (head_end != NULL)
        *whole = field != NULL &&
                 length == (size_t)(head_end + 4 - text) + strtoul(field + 17, NULL, 10);
    return head_end == NULL || (strncmp(text, "HTTP/1.1 200", 12) == 0 && field != NULL);
}

/* The same in HTTP/2. */
static bool is_whole_h2(const char *text, size_t length, bool *whole)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;

    while (end - at >= 9) {
        size_t payload = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        if ((size_t)(end - at) < 9 + payload)
            break;
        if (at[3] == 3 || at[3] == 7 || (at[3] == 1 && at[9] != 0x88)) /* RST_STREAM, GOAWAY */
            return false;
        *whole |= at[3] <= 1 && (at[4] & 1) != 0;
        at += 9 + payload;
    }
    return true;
}

/* Until the whole answer has come. */
static void ask(SSL *ssl)
{
    static char text[READ_BYTES + 1];
    const unsigned char *alpn;
    unsigned alpn_bytes;
    size_t length = 0;
    bool whole = false;

    SSL_get0_alpn_selected(ssl, &alpn, &alpn_bytes);
    if (SSL_write(ssl, request, (int)request_bytes) <= 0)
        die("the request cannot be sent");
    while (!whole) {
        int got = SSL_read(ssl, text + length, (int)(READ_BYTES - length));
        if (got <= 0)
            die("no whole answer");
        length += (size_t)got;
        text[length] = '\0';
        if (!(alpn_bytes > 0 ? is_whole_h2 : is_whole)(text, length, &whole))
            die("not an answer with 200");
    }
}

static SSL *served(int fd, SSL_SESSION *session)
{
    BIO *bio = BIO_new_socket(fd, BIO_NOCLOSE);
    SSL *ssl = client(bio, bio, session);
    if (SSL_do_handshake(ssl) != 1)
        die("no handshake");
    ask(ssl);
    return ssl;
}

static void run(bool resumes, long long seconds)
{
    long long began = now_us(), end = began + seconds * 1000000;
    unsigned long requests = 0, resumed = 0;
    SSL_SESSION *session = NULL;

    do {
        int fd = connected();
        SSL *ssl = served(fd, resumes ? session : NULL);
        requests++;
        resumed += SSL_session_reused(ssl) == 1;
        SSL_SESSION_free(session);
        session = SSL_get1_session(ssl);
        SSL_shutdown(ssl);
        SSL_free(ssl);
        close(fd);
    } while (now_us() < end);
    printf("requests=%lu us=%lld resumed=%lu\n", requests, now_us() - began, resumed);
    if (resumed < (resumes ? requests - 1 : 0) || (!resumes && resumed > 0))
        die("not as many were resumed as should be");
}

static void send_all(int fd, const char *bytes, long length)
{
    if (send(fd, bytes, (size_t)length, MSG_NOSIGNAL) != length)
        loopback_die("send");
}

/* The hello, or a part of it; then, if it is whole, waits for the answer. */
static void greet(int fd, bool is_whole)
{
    BIO *out = BIO_new(BIO_s_mem());
    SSL *ssl = client(BIO_new(BIO_s_mem()), out, NULL);
    char *bytes, answer;
    long length;

    SSL_do_handshake(ssl);
    length = BIO_get_mem_data(out, &bytes);
    send_all(fd, bytes, is_whole ? length : HELLO_SENT);
    SSL_free(ssl);
    ERR_clear_error();
    if (is_whole && recv(fd, &answer, 1, MSG_PEEK) != 1)
        die("the hello gets no answer");
}

static bool is_open(int fd)
{
    char next;
    ssize_t got = recv(fd, &next, 1, MSG_PEEK | MSG_DONTWAIT);
    return got > 0 || (got < 0 && errno == EAGAIN);
}

/* Without the memory of the clients: only their descriptors stay. */
static void stay(const char *how, long count)
{
    int *fds = calloc((size_t)count, sizeof *fds), signal;
    long closed = 0;
    sigset_t end;

    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    for (long i = 0; i < count; i++) {
        fds[i] = connected();
        if (how[0] == 'i' || strcmp(how, "h2") == 0)
            SSL_free(served(fds[i], NULL));
        else
            greet(fds[i], how[0] == 'f');
    }
    printf("open %ld\n", count);
    fflush(stdout);
    sigwait(&end, &signal);
    for (long i = 0; i < count; i++)
        closed += !is_open(fds[i]);
    if (closed > 0) {
        fprintf(stderr, "%ld of %ld connections were closed\n", closed, count);
        exit(1);
    }
}

int main(int count, char **arguments)
{
    long number = count == 5 ? strtol(arguments[4], NULL, 10) : 0;

    if (number <= 0) {
        fprintf(stderr, "shake full|resumed|idle|h2|hello|finish ADDRESS PATH NUMBER\n");
        return 2;
    }
    prepare(arguments[2], arguments[3], strcmp(arguments[1], "h2") == 0);
    if (arguments[1][0] == 'r' || strcmp(arguments[1], "full") == 0)
        run(arguments[1][0] == 'r', number);
    else
        stay(arguments[1], number);
    return 0;
}
