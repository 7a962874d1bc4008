/*
 * tls - the TLS of one connection: bytes in, bytes out. It knows no socket.
 *
 * net/stream has one struct tls for each connection that speaks TLS. net/tls_handshake brings it to
 * OPEN for a client, net/tls_connect for a server that we connect to. One buffer of the process
 * collects sealed bytes: it holds the bytes of one connection until tls_sealed_sent. Opened bytes
 * are borrowed until the next call for any connection.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buffer.h"
#include "base/list.h"
#include "net/tls_own.h"
#include "net/tls_said.h"

#include <uv.h>

struct ssl_st; /* of OpenSSL */
struct loop;
struct tls_server;
struct tls_target;

enum tls_state {
    TLS_HELLO,   /* the ClientHello is not complete */
    TLS_WAITING, /* for its turn to begin the handshake */
    TLS_SHAKING,
    TLS_OPEN,
    TLS_ENDED, /* the peer sends no more (close_notify) */
    TLS_BROKEN,
};

/* The least that OpenSSL holds for an idle connection whose records it makes. */
enum { TLS_HELD_BYTES = 20000 };

/* Why a handshake is refused. */
enum tls_refusal {
    TLS_REFUSED_NOT,
    TLS_REFUSED_HTTP,      /* plain HTTP */
    TLS_REFUSED_HELLO,     /* malformed, or too large */
    TLS_REFUSED_NAME,      /* no site has the name */
    TLS_REFUSED_HANDSHAKE, /* no common version, a certificate that is not trusted, .. */
    TLS_REFUSED_LATE,      /* it took too long */
    TLS_REFUSED_CROWD,     /* too many handshakes are unfinished */
    TLS_REFUSED_MEMORY,
    TLS_REFUSALS,
};

/* The result of some bytes that came. */
struct tls_took {
    struct slice plain;
    bool opens;     /* the handshake has succeeded, */
    bool refuses;   /* or is refused: tls->refusal and why */
    bool has_ended; /* the peer sends no more */
    bool is_broken; /* a record that the peer cannot have sealed */
};

struct tls {
    /* NULL: before the ClientHello was read, after a refusal, and if the records are our own. */
    struct ssl_st *ssl;
    struct tls_own *own;       /* NULL: OpenSSL makes the records; else in use when ssl is NULL */
    struct tls_server *server; /* NULL: we are the client, */
    struct tls_target *target; /* and this is the server; else NULL */
    uint32_t target_version;
    void *owner;
    struct loop *loop; /* set while it waits for its turn: net/tls_turns.h */
    void (*on_turn)(struct tls *);
    struct list_node turn;
    /* Sealed bytes that came before the connection's turn. When it is OPEN: opened bytes that
     * tls_look has found. */
    struct buffer kept;
    struct list_node unfinished;    /* in server->unfinished, until OPEN or refused */
    struct tls_said said;           /* the name as soon as it is known, the rest when OPEN */
    char *heard;                    /* the bytes of said.traits and said.name; NULL: none yet */
    struct tls_client_said *client; /* said.client; NULL: none */
    uint64_t began_us;              /* steady clock */
    struct tls_messages messages;   /* with OpenSSL's records */
    const char *why;                /* why it is refused or broken, a static text */
    uint64_t sealed_ms;             /* when bytes of the owner were sealed last */
    uint32_t first_bytes;           /* how many more go into short records (tls.c) */
    uint8_t state, refusal;
    bool forwards_client; /* what its certificate says as fields is wanted, too */
    bool has_said_end;    /* close_notify is sealed */
    bool end_waits;       /* the peer has ended while its reader pauses */
    bool offers_session;  /* to the target */
};

/* Bytes to be sealed: the parts that are left. */
struct tls_parts {
    const uv_buf_t *part;
    size_t used; /* bytes of the first part that are sealed */
    size_t left_bytes;
};

/* For a connection that is OPEN: opens the bytes into *took. Answers of the protocol are
 * sealed. */
void tls_unseal(struct tls *, struct slice sealed, struct tls_took *took);
void tls_unseal_rest(struct tls *, struct tls_took *took); /* bytes behind the handshake's */
/* For a connection that is OPEN and not read: what do these bytes say? Bytes that are opened are
 * kept, for tls_take_kept; messages of the protocol are not reported. May be called while opened
 * bytes of another connection are borrowed. */
enum tls_look { TLS_LOOK_QUIET, TLS_LOOK_BYTES, TLS_LOOK_END, TLS_LOOK_BROKEN };
enum tls_look tls_look(struct tls *, struct slice sealed);
struct buffer tls_take_kept(struct tls *); /* gives it */
/* Seals some of the parts. now_ms: of the loop. False: it failed, and nothing that was sealed may
 * be sent. */
bool tls_seal(struct tls *, struct tls_parts *, uint64_t now_ms) MUST_USE;
void tls_seal_end(struct tls *); /* seals close_notify, once, if the handshake is over */
struct slice tls_sealed(void);   /* the sealed bytes, to be sent now */
void tls_sealed_sent(void);
void tls_stop(struct tls *); /* frees the memory that OpenSSL holds for it, and its keys */
size_t tls_held_bytes(const struct tls *); /* about so much is held for it; NULL is 0 */

/* After the handshake: fills tls->said, but for the name and the rules. */
void tls_note_said(struct tls *);
/* From now on only a few messages without data are read (tls.c). */
void tls_limit_messages(struct tls *);

#endif
