/*
 * turns - handshakes of clients with core/net/tls_handshake.c, in turns of a loop that a spec
 * moves, on a clock where each step of a handshake takes as long as the spec says.
 */
#include "base/clock.h"
#include "net/tls_turns.h"

#include <openssl/ssl.h>

static uint64_t clock_us = 1, step_us;
static unsigned steps;

static int step(SSL *ssl)
{
    clock_us += step_us;
    steps++;
    return SSL_do_handshake(ssl);
}

#define clock_steady_us()     clock_us
#define SSL_do_handshake(ssl) step(ssl)
#include "net/tls_handshake.c"
#include "net/tls_turns.c"
#undef SSL_do_handshake

enum { CLIENTS = 32 };

static struct loop loop;
static struct deferred *deferred;
static struct tls_server server;
static struct tls_names names;
static struct tls_site_rules rules;
static SSL_CTX *context;
static struct client {
    SSL *ssl;
    struct tls *tls;
} clients[CLIENTS];
static char order[CLIENTS + 1]; /* which were served since the turn began, as letters */

void loop_defer(struct loop *l, struct deferred *d)
{
    (void)l;
    deferred = d;
}

void deferred_cancel(struct deferred *d)
{
    (void)d;
    deferred = NULL;
}

void turns_begin(const char *chain, size_t chain_bytes, const char *key, size_t key_bytes,
                uint64_t us)
{
    struct tls_sites_rules sites = {.sites = &rules, .count = 1, .names = &names};

    rules = (struct tls_site_rules){.id = SLICE("a"), .certificates_count = 1};
    rules.certificates[0] = (struct tls_certificate){{chain, chain_bytes}, {key, key_bytes}};
    tls_server_init(&server, &loop);
    tls_server_follow(&server, &sites);
    context = SSL_CTX_new(TLS_client_method());
    step_us = us;
}

/* What was sealed reaches the client. */
static void tell(struct client *client)
{
    struct slice sealed = tls_sealed();

    BIO_write(SSL_get_rbio(client->ssl), sealed.start, (int)sealed.length);
    tls_sealed_sent();
}

static void on_turn_of(struct tls *t)
{
    struct client *client = t->owner;
    struct tls_took took = {.opens = false};

    order[strlen(order)] = (char)('a' + (client - clients));
    tls_handshake_continue(t, &took);
    tell(client);
}

/* Its next bytes come, and are read. */
void turns_bytes(unsigned i)
{
    struct client *client = &clients[i];
    struct tls_took took = {.opens = false};
    char bytes[4096];
    unsigned before = steps;
    int length;

    if (client->ssl == NULL) {
        client->ssl = SSL_new(context);
        SSL_set_bio(client->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(client->ssl);
        client->tls = tls_handshake_new(&server, client, on_turn_of, SLICE(""));
    }
    (void)SSL_do_handshake(client->ssl);
    length = BIO_read(SSL_get_wbio(client->ssl), bytes, sizeof bytes);
    tls_handshake_take(client->tls, (struct slice){bytes, length > 0 ? (size_t)length : 0}, &took);
    tell(client);
    if (steps > before)
        order[strlen(order)] = (char)('a' + i);
}

/* So many bytes come that are no handshake, while it may wait for its turn. Is it refused? */
bool turns_is_flooded(unsigned i, unsigned count)
{
    static char bytes[1 << 16];
    struct tls_took took = {.opens = false};

    CHECK(count <= sizeof bytes);
    tls_handshake_take(clients[i].tls, (struct slice){bytes, count}, &took);
    return took.refuses;
}

/* The events of a turn are over, and what was deferred runs. */
const char *turns_end_turn(void)
{
    static char served[CLIENTS + 1];
    struct deferred *d = deferred;

    deferred = NULL;
    if (d != NULL)
        d->run(d);
    loop.polls++;
    memcpy(served, order, sizeof served);
    memset(order, 0, sizeof order);
    return served;
}

bool turns_is_open(unsigned i)
{
    return clients[i].tls->state == TLS_OPEN;
}

void turns_end(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        SSL_free(clients[i].ssl);
        tls_handshake_free(clients[i].tls);
    }
    memset(clients, 0, sizeof clients);
    tls_server_dispose(&server);
    SSL_CTX_free(context);
}
