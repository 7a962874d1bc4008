/*
 * tls_said - what is known of a connection's handshake, for scripts and the log. Plain data, which
 * lives as long as the connection.
 */
#ifndef NET_TLS_SAID_H
#define NET_TLS_SAID_H

#include "base/arena.h"
#include "base/slice.h"
#include "net/tls_client.h"

#include <stdbool.h>
#include <stdint.h>

struct tls_said {         /* the first six are also in policy/context.lua */
    struct slice version; /* "1.2" or "1.3" */
    struct slice cipher;  /* as IANA calls it: "TLS_AES_128_GCM_SHA256" */
    struct slice name;    /* which the client named, in lower case; empty: none */
    struct slice alpn;    /* what both agreed upon; empty: nothing */
    bool resumed;
    const struct tls_client_said *client; /* who it is by its certificate; NULL: it has none */
    uint64_t client_rules; /* struct tls_client_rules, id: by which it was asked for that */
    uint64_t handshake_us; /* from the connection's begin to its end */
};

/* For who may outlive the connection; NULL of NULL. Version and cipher are static. */
static inline const struct tls_said *tls_said_copy(const struct tls_said *said, struct arena *arena)
{
    struct tls_said *copy;

    if (said == NULL)
        return NULL;
    copy = arena_alloc(arena, sizeof *copy);
    *copy = *said;
    copy->name = arena_copy(arena, said->name);
    copy->alpn = arena_copy(arena, said->alpn);
    copy->client = tls_client_copy(said->client, arena);
    return copy;
}

#endif
