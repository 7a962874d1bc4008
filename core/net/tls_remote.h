/*
 * tls_remote - a server that we connect to: what it has to show, and what we remember of it.
 *
 * Servers with equal rules share one context of the library in a process. It is made from the rules
 * at once, and borrows nothing of them. With the certificates of the system that takes tens of
 * milliseconds and some megabytes.
 */
#ifndef NET_TLS_REMOTE_H
#define NET_TLS_REMOTE_H

#include "base/buffer.h"
#include "net/tls_certificate.h"

#include <stdbool.h>
#include <stdint.h>

struct tls_remote_rules {
    /* PEM: the certificates that are trusted, or that may sign others. Empty: the system's. */
    struct slice ca;
    struct tls_certificate own; /* ours, for a server that asks for one; chain empty: none */
    bool verify;                /* false: any certificate will do */
};

struct ssl_st; /* of OpenSSL */
struct ssl_session_st;
struct tls_remote; /* the context of some rules */

struct tls_target { /* one server; all zero: without TLS */
    struct tls_remote *remote;
    char *name;             /* that its certificate has to have: a host name or an address */
    struct slice protocols; /* that we offer: a length byte before each; static. Empty: none */
    struct ssl_session_st *session; /* the last one that it gave us, to resume; or NULL */
    uint64_t verified_ms;           /* steady clock: the last handshake that was not resumed */
    uint64_t offered_ms;            /* the first offer of it without an answer; 0: none */
    uint32_t version;               /* grows with each change */
};

static inline bool tls_target_is_set(const struct tls_target *target)
{
    return target->remote != NULL;
}

/* From now on connections go by these. The session stays if nothing changes. True: something has
 * changed. rules NULL: without TLS. */
bool tls_target_set(struct tls_target *, const struct tls_remote_rules *, struct slice name,
                    struct slice protocols);
void tls_target_dispose(struct tls_target *); /* connections to it may be open, but not read */
/* May a certificate have to have that name: a host name, or an IP address? */
bool tls_remote_is_name(struct slice) MUST_USE;
/* Does the library take the rules? False: *error says why not. */
bool tls_remote_try(const struct tls_remote_rules *, struct buffer *error) MUST_USE;

/* --- for net/tls_connect --- */

/* In the client's role, with the name, the protocols and the session. NULL: there is no memory, or
 * the library knows why. */
struct ssl_st *tls_remote_ssl(const struct tls_target *);
void tls_remote_forget(struct tls_target *); /* its session */
/* After tls_remote_ssl: does it offer the session? */
bool tls_remote_offers(struct tls_target *, const struct ssl_st *);
void tls_remote_note_answer(struct tls_target *); /* to an offer: the handshake has ended */

#endif
