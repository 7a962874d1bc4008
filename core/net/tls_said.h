/*
 * tls_said - what scripts and the log say about a connection's handshake. Plain data, which lives
 * as long as the connection.
 */
#ifndef NET_TLS_SAID_H
#define NET_TLS_SAID_H

#include "base/arena.h"
#include "base/slice.h"
#include "net/tls_client.h"

#include <stdbool.h>
#include <stdint.h>

struct tls_said {         /* the first seven are also in policy/context.lua */
    struct slice version; /* "1.2" or "1.3" */
    struct slice cipher;  /* as IANA calls it: "TLS_AES_128_GCM_SHA256" */
    struct slice name;    /* that the client asked for, in lower case; empty: none */
    struct slice alpn;    /* the protocol that both agreed on; empty: none */
    struct slice traits;  /* of its ClientHello: net/tls_fingerprint.h */
    bool resumed;
    const struct tls_client_said *client; /* its certificate; NULL: it has none */
    uint64_t client_rules;                /* id of the struct tls_client_rules that asked for it */
    uint64_t handshake_us;                /* from the beginning of TLS to the handshake's end */
};

/* A copy that may outlive the connection; NULL of NULL. Version and cipher are static. */
static inline const struct tls_said *tls_said_copy(const struct tls_said *said, struct arena *arena)
{
    struct tls_said *copy;

    if (said == NULL)
        return NULL;
    copy = arena_alloc(arena, sizeof *copy);
    *copy = *said;
    copy->name = arena_copy(arena, said->name);
    copy->alpn = arena_copy(arena, said->alpn);
    copy->traits = arena_copy(arena, said->traits);
    copy->client = tls_client_copy(said->client, arena);
    return copy;
}

#endif
