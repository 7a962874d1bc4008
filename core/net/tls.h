/*
 * tls - the TLS of one connection: bytes in, bytes out. It knows no socket.
 *
 * net/stream has one for each connection that speaks TLS, and net/tls_handshake brings it to OPEN.
 * What is sealed gathers, of one connection at a time, until tls_sealed_sent; what is opened is
 * borrowed until the next call for any connection.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buffer.h"
#include "base/list.h"
#include "net/tls_said.h"

#include <uv.h>

struct ssl_st; /* of OpenSSL */
struct tls_server;

enum tls_state {
    TLS_HELLO,   /* the client has not said yet what it wants */
    TLS_WAITING, /* for its turn */
    TLS_SHAKING,
    TLS_OPEN,
    TLS_ENDED, /* the peer says no more (close_notify) */
    TLS_BROKEN,
};

enum { TLS_HELD_BYTES = 20000 }; /* at least, of the library, for a connection at rest */

/* Why there is no handshake. */
enum tls_refusal {
    TLS_REFUSED_NOT,
    TLS_REFUSED_HTTP,      /* plain HTTP */
    TLS_REFUSED_HELLO,     /* malformed, or too large */
    TLS_REFUSED_NAME,      /* no site has it */
    TLS_REFUSED_HANDSHAKE, /* no common version, a certificate that is not believed, .. */
    TLS_REFUSED_LATE,      /* it took too long */
    TLS_REFUSED_CROWD,     /* so many have not finished theirs */
    TLS_REFUSED_MEMORY,
    TLS_REFUSALS,
};

/* What came of some bytes. */
struct tls_took {
    struct slice plain;
    bool opens;     /* the handshake is over with them, */
    bool refuses;   /* or there is none: tls->refusal and why */
    bool has_ended; /* the peer says no more */
    bool is_broken; /* what came is not what the peer has sealed */
};

struct tls {
    struct ssl_st *ssl; /* NULL: before the hello was read, and after a refusal */
    struct tls_server *server;
    void *owner;
    struct buffer kept;             /* what came before it was its turn */
    struct list_node turn;          /* of the server's, while WAITING */
    struct list_node unfinished;    /* the same, until there is a handshake or a refusal */
    struct tls_said said;           /* the name and the site as soon as they are known */
    char *name;                     /* of that; NULL: none */
    struct tls_client_said *client; /* likewise */
    uint64_t began_us;              /* steady clock */
    uint64_t messages_since_us;     /* the same: since then `messages` have come that are no data */
    const char *why;                /* of the refusal, in static words */
    uint8_t state, refusal, messages;
    bool has_said_end; /* close_notify is sealed */
    bool end_waits;    /* the peer's end is known, and its reader has paused */
};

/* What is to be sealed: all of the parts, but for what was already. */
struct tls_parts {
    const uv_buf_t *part;
    size_t used; /* of the first one */
    size_t left_bytes;
};

/* Of a connection that is OPEN: takes sealed bytes, adds to *took. What has to be sent for that is
 * sealed. */
void tls_unseal(struct tls *, struct slice sealed, struct tls_took *took);
void tls_unseal_rest(struct tls *, struct tls_took *took); /* what the handshake has left */
/* Seals some of the parts. False: it cannot be, and what was sealed must not be sent. */
bool tls_seal(struct tls *, struct tls_parts *) MUST_USE;
void tls_seal_end(struct tls *); /* close_notify, once, if it is of any use */
struct slice tls_sealed(void);   /* what is to be sent now */
void tls_sealed_sent(void);
void tls_stop(struct tls *); /* of the library's memory nothing is held any more */

/* The handshake is over: fills what is said of it, but for name and site. */
void tls_note_said(struct tls *);
/* From now on few messages may come that are no data (tls.c). */
void tls_limit_messages(struct tls *);

#endif
