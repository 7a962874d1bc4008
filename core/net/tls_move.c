/*
 *   struct moved   traits of the ClientHello   name   what the client's certificate says
 */
#include "net/tls_move.h"

#include "base/hash.h"
#include "base/mem.h"
#include "net/tls_selftest.h"

#include <string.h>

enum { FORMAT = 1, CLIENT_BYTES_MAX = 16384, TEXT_BYTES_MAX = 4096 };

struct moved {
    uint64_t in_sequence, out_sequence, messages_since_us;
    uint64_t client_rules, handshake_us, client_at; /* where the certificate's texts lay */
    uint32_t traits_bytes, name_bytes, client_bytes;
    uint16_t suite;
    uint8_t alpn, is_resumed, messages, barren;
    uint8_t in[TLS_SECRET_BYTES_MAX], out[TLS_SECRET_BYTES_MAX];
};

static const char *const protocols[] = {"", "http/1.1", "http/1.0"};

enum { PROTOCOLS = sizeof protocols / sizeof *protocols };

uint64_t tls_move_format(void)
{
    static const uint64_t marks[] = {FORMAT, sizeof(struct moved), sizeof(struct tls_client_said),
                                     offsetof(struct tls_client_said, texts_bytes)};

    return hash_add(HASH_START, (struct slice){(const char *)marks, sizeof marks});
}

static size_t client_bytes(const struct tls *t)
{
    return t->client != NULL ? sizeof *t->client + t->client->texts_bytes : 0;
}

/* Its number among protocols; PROTOCOLS: it is another one. */
static uint8_t alpn_of(const struct tls *t)
{
    uint8_t i = 0;

    while (i < PROTOCOLS && !slice_is(t->said.alpn, slice_of(protocols[i])))
        i++;
    return i;
}

bool tls_can_move(const struct tls *t)
{
    return t->state == TLS_OPEN && t->ssl == NULL && t->own != NULL && t->server != NULL &&
           !t->has_said_end && !t->own->has_said_end && alpn_of(t) < PROTOCOLS &&
           client_bytes(t) <= CLIENT_BYTES_MAX &&
           t->said.traits.length + t->said.name.length <= TEXT_BYTES_MAX;
}

bool tls_may_move(const struct tls *t)
{
    return tls_can_move(t) && buffer_length(&t->own->part) == 0 && buffer_length(&t->kept) == 0 &&
           !t->end_waits;
}

/* --- out --- */

static void fill(struct moved *m, const struct tls *t)
{
    memset(m, 0, sizeof *m);
    m->in_sequence = t->own->in.sequence;
    m->out_sequence = t->own->out.sequence;
    m->messages_since_us = t->own->messages.since_us;
    m->messages = t->own->messages.count;
    m->barren = t->own->barren;
    m->suite = tls_keys_suite(&t->own->in);
    memcpy(m->in, t->own->in.secret, sizeof m->in);
    memcpy(m->out, t->own->out.secret, sizeof m->out);
    m->alpn = alpn_of(t);
    m->is_resumed = t->said.resumed;
    m->client_rules = t->said.client_rules;
    m->handshake_us = t->said.handshake_us;
    m->traits_bytes = (uint32_t)t->said.traits.length;
    m->name_bytes = (uint32_t)t->said.name.length;
    m->client_bytes = (uint32_t)client_bytes(t);
    m->client_at = (uint64_t)(uintptr_t)(t->client + 1);
}

bool tls_move_out(const struct tls *t, struct vault *vault)
{
    size_t bytes = sizeof(struct moved) + t->said.traits.length + t->said.name.length;
    struct moved m;
    bool fits;

    DCHECK(tls_may_move(t));
    if (bytes + client_bytes(t) > vault->room - vault->length)
        return false;
    fill(&m, t);
    fits = vault_append(vault, (struct slice){(const char *)&m, sizeof m}) &&
           vault_append(vault, t->said.traits) && vault_append(vault, t->said.name) &&
           vault_append(vault, (struct slice){(const char *)t->client, client_bytes(t)});
    explicit_bzero(&m, sizeof m);
    CHECK(fits);
    return true;
}

void tls_move_forget(struct tls *t)
{
    t->has_said_end = true; /* close_notify would be a record, too */
    tls_stop(t);
}

/* --- in --- */

static bool take(struct slice *rest, size_t length, struct slice *out)
{
    if (length > rest->length)
        return false;
    *out = (struct slice){rest->start, length};
    *rest = slice_from(*rest, length);
    return true;
}

/* NULL: its texts do not lie behind it. */
static struct tls_client_said *read_client(struct slice bytes, uint64_t at)
{
    struct tls_client_said *said = mem_alloc(bytes.length);

    memcpy(said, bytes.start, bytes.length);
    if (said->texts_bytes == bytes.length - sizeof *said && tls_client_move(said, (uintptr_t)at))
        return said;
    mem_free(said);
    return NULL;
}

static void note(struct tls *t, const struct moved *m, struct slice traits, struct slice name)
{
    t->heard = mem_alloc(traits.length + name.length + 1);
    slice_put(slice_put(t->heard, traits), name);
    t->said = (struct tls_said){
        .version = SLICE("1.3"),
        .cipher = slice_of(tls_record_cipher(m->suite)),
        .name = {t->heard + traits.length, name.length},
        .alpn = slice_of(protocols[m->alpn]),
        .traits = {t->heard, traits.length},
        .resumed = m->is_resumed != 0,
        .client = t->client,
        .client_rules = m->client_rules,
        .handshake_us = m->handshake_us,
    };
}

/* All of it, or nothing. */
static bool read_all(struct tls *t, const struct moved *m, struct slice *bytes)
{
    struct slice traits, name, client;

    if (m->alpn >= PROTOCOLS || !take(bytes, m->traits_bytes, &traits) ||
        !take(bytes, m->name_bytes, &name) || !take(bytes, m->client_bytes, &client) ||
        (client.length > 0 && client.length < sizeof *t->client))
        return false;
    t->own = tls_own_arrive(m->suite, m->in, m->out);
    if (client.length > 0)
        t->client = read_client(client, m->client_at);
    if (t->own == NULL || (client.length > 0 && t->client == NULL))
        return false;
    t->own->in.sequence = m->in_sequence;
    t->own->out.sequence = m->out_sequence;
    t->own->messages = (struct tls_messages){m->messages_since_us, m->messages};
    t->own->barren = m->barren;
    note(t, m, traits, name);
    t->state = TLS_OPEN;
    return true;
}

struct tls *tls_move_in(struct tls_server *server, void *owner, void (*on_turn)(struct tls *),
                        struct slice *bytes)
{
    struct slice fixed;
    struct tls *t;
    struct moved m;
    bool is_whole;

    if (tls_selftest_why() != NULL || !take(bytes, sizeof m, &fixed))
        return NULL;
    t = mem_zalloc(sizeof *t);
    t->server = server;
    t->owner = owner;
    t->on_turn = on_turn;
    t->said.name = t->said.traits = (struct slice){"", 0};
    list_init(&t->turn);
    list_init(&t->unfinished);
    memcpy(&m, fixed.start, sizeof m);
    is_whole = read_all(t, &m, bytes);
    explicit_bzero(&m, sizeof m);
    if (is_whole)
        return t;
    tls_handshake_free(t);
    return NULL;
}
