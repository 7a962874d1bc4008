/*
 * shake - the TLS client of the bench: connections that are made one after the other, or that stay.
 *
 *   shake full ADDRESS PATH SECONDS      a connection, a request, the end, again and again
 *   shake resumed ADDRESS PATH SECONDS   the same; each resumes the session of the one before
 *   shake idle ADDRESS PATH COUNT        connections that have asked once, and stay
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

static void prepare(const char *where, const char *path)
{
    address = loopback_address(where);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, where);
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519") != 1)
        die("no context");
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

/* Until the whole answer has come. */
static void ask(SSL *ssl)
{
    static char text[READ_BYTES + 1];
    size_t length = 0;
    const char *head_end = NULL, *field;

    if (SSL_write(ssl, request, (int)strlen(request)) <= 0)
        die("the request cannot be sent");
    for (;;) {
        int got = SSL_read(ssl, text + length, (int)(READ_BYTES - length));
        if (got <= 0)
            die("no whole answer");
        length += (size_t)got;
        text[length] = '\0';
        head_end = strstr(text, "\r\n\r\n");
        field = head_end != NULL ? strcasestr(text, "\r\ncontent-length:") : NULL;
        if (head_end == NULL)
            continue;
        if (strncmp(text, "HTTP/1.1 200", 12) != 0 || field == NULL)
            die("not an answer with 200 and a length");
        if (length == (size_t)(head_end + 4 - text) + strtoul(field + 17, NULL, 10))
            return;
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
static void stay(char how, long count)
{
    int *fds = calloc((size_t)count, sizeof *fds), signal;
    long closed = 0;
    sigset_t end;

    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    for (long i = 0; i < count; i++) {
        fds[i] = connected();
        if (how == 'i')
            SSL_free(served(fds[i], NULL));
        else
            greet(fds[i], how == 'f');
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
        fprintf(stderr, "shake full|resumed|idle|hello|finish ADDRESS PATH NUMBER\n");
        return 2;
    }
    prepare(arguments[2], arguments[3]);
    if (arguments[1][0] == 'r' || strcmp(arguments[1], "full") == 0)
        run(arguments[1][0] == 'r', number);
    else
        stay(arguments[1][0], number);
    return 0;
}
