/*
 * kept - streams of core/net on a loop of their own: one that is plain, and one over TLS whose
 * records the spec makes. For specs of what a look at a stream does to what comes behind it.
 */
#include "base/mem.h"
#include "net/stream.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECORDS_MAX = 8, TURNS = 4 };

static struct loop loop;
static struct stream plain, secure;
static int plain_peer, secure_peer;
static struct slice records[RECORDS_MAX]; /* what the peer sends when; borrowed */
static bool looks, pauses;
static char notes[4096];
static size_t noted;

static void note(const char *what, struct slice bytes)
{
    noted += (size_t)snprintf(notes + noted, sizeof notes - noted, "%s%.*s ", what,
                              (int)bytes.length, bytes.start);
}

static void peer_sends(unsigned record)
{
    struct slice bytes = records[record];

    CHECK(write(secure_peer, bytes.start, bytes.length) == (ssize_t)bytes.length);
}

/* The first record waits for the secure stream, and is looked at; the second one then comes. */
static void on_plain_bytes(struct stream *s, struct slice bytes)
{
    (void)s;
    (void)bytes;
    CHECK(stream_look(&secure) == SOCKET_BYTES);
    peer_sends(1);
}

static void on_secure_bytes(struct stream *s, struct slice bytes)
{
    note("bytes:", bytes);
    if (pauses)
        stream_pause(s);
    if (!looks)
        return;
    looks = false;
    peer_sends(2);
    (void)stream_look(s);
}

static void on_end(struct stream *s, int status)
{
    if (s == &secure)
        note(status == 0 ? "end" : uv_err_name(status), SLICE(""));
}

static void on_closed(struct stream *s)
{
    (void)s;
}

static const struct stream_events plain_events = {
    .on_bytes = on_plain_bytes, .on_end = on_end, .on_closed = on_closed};
static const struct stream_events secure_events = {
    .on_bytes = on_secure_bytes, .on_end = on_end, .on_closed = on_closed};

static int accept_pair(struct stream *s, const struct stream_events *events)
{
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    stream_accept(s, &loop, pair[0], events);
    return pair[1];
}

static struct tls *open_tls(uint16_t suite, const uint8_t *secret)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    SSL *ssl = SSL_new(context);
    struct tls *t = mem_zalloc(sizeof *t);

    t->own = tls_own_new(ssl);
    CHECK(tls_keys_set(&t->own->in, suite, secret) && tls_keys_set(&t->own->out, suite, secret));
    SSL_free(ssl);
    SSL_CTX_free(context);
    t->state = TLS_OPEN;
    t->owner = &secure;
    list_init(&t->turn);
    list_init(&t->unfinished);
    return t;
}

void play_kept_begin(uint16_t suite, const uint8_t *secret, bool should_look, bool should_pause)
{
    loop_init(&loop);
    noted = 0;
    looks = should_look;
    pauses = should_pause;
    plain_peer = accept_pair(&plain, &plain_events);
    secure_peer = accept_pair(&secure, &secure_events);
    secure.tls = open_tls(suite, secret);
}

void play_kept_record(unsigned at, const char *bytes, size_t length)
{
    CHECK(at < RECORDS_MAX);
    records[at] = (struct slice){bytes, length};
}

static void turn(void)
{
    for (unsigned i = 0; i < TURNS; i++)
        uv_run(&loop.uv, UV_RUN_NOWAIT);
}

/* Both are there to be read in the same turn, the plain one first. */
const char *play_kept(void)
{
    CHECK(write(plain_peer, "x", 1) == 1);
    peer_sends(0);
    stream_read(&plain);
    stream_read(&secure);
    turn();
    return notes;
}

const char *play_kept_go_on(void)
{
    stream_read(&secure);
    turn();
    return notes;
}

void play_kept_end(void)
{
    stream_close(&plain);
    stream_close(&secure);
    turn();
    close(plain_peer);
    close(secure_peer);
    loop_dispose(&loop);
}
