/*
 * tls_own - the records of one connection of TLS 1.3, made by lb after OpenSSL's handshake.
 *
 * OpenSSL reports the traffic secrets while it shakes hands (SSL_CTX_set_keylog_callback). After
 * the handshake it is needed no more: an idle connection keeps two keys, and neither buffers nor an
 * SSL. What it does not take over stays with OpenSSL's records: TLS 1.2, and a handshake that went
 * another way than expected. For the server's side alone.
 */
#ifndef NET_TLS_OWN_H
#define NET_TLS_OWN_H

#include "base/buffer.h"
#include "base/clock.h"
#include "net/tls_record.h"

struct ssl_st; /* of OpenSSL */

/* Counts the messages without data of a connection, with both kinds of records. An honest peer
 * sends a KeyUpdate in hours. It has 27 bytes, takes up to 30 us of the CPU, and is answered even
 * if nobody reads the answer: one read full of them would hold the loop for 80 ms. */
enum { TLS_MESSAGES_MAX = 16, TLS_MESSAGES_US = 60 * 1000000 };

struct tls_messages {
    uint64_t since_us; /* steady clock: when the count began */
    uint8_t count;     /* in TLS_MESSAGES_US */
};

/* One more. False: that is too many. */
static inline bool tls_messages_count(struct tls_messages *messages)
{
    uint64_t now_us = clock_steady_us();

    if (now_us - messages->since_us > TLS_MESSAGES_US)
        *messages = (struct tls_messages){.since_us = now_us};
    return ++messages->count <= TLS_MESSAGES_MAX;
}

/* Secret: it lies in base/cells. */
struct tls_own {
    struct tls_keys in, out;
    struct buffer part; /* the beginning of a record */
    struct tls_messages messages;
    uint8_t in_bytes, out_bytes; /* of the secrets that OpenSSL has reported */
    uint8_t barren;              /* records without data in a row */
    bool has_said_end;           /* close_notify is sealed: nothing else may follow */
};

enum tls_own_result {
    TLS_OWN_DATA,   /* some bytes, or none */
    TLS_OWN_MORE,   /* the record is not complete */
    TLS_OWN_END,    /* close_notify */
    TLS_OWN_BROKEN, /* *why says why; an alert is sealed */
};

/* Once per process. False: this OpenSSL cannot do what is needed, or lacks memory. */
bool tls_own_prepare(void) MUST_USE;
/* Before the handshake. NULL: OpenSSL lacks memory. */
struct tls_own *tls_own_new(struct ssl_st *);
/* Before and after each call that continues the handshake: OpenSSL reports what is needed, and only
 * then. NULL is fine. */
void tls_own_begin(const struct tls_own *, struct ssl_st *);
void tls_own_end(const struct tls_own *, struct ssl_st *);
void tls_own_free(struct tls_own *); /* wipes it; NULL is fine */
/* Of another process, with its secrets; each has as many bytes as one may have. The sequences are
 * the caller's. NULL: the suite is unknown here. */
struct tls_own *tls_own_arrive(uint16_t suite, const uint8_t *in, const uint8_t *out);
/* After the handshake. wrote: what OpenSSL has written in the call that ended it. True: from now on
 * all records are made here, and the SSL is to be freed without another word. */
bool tls_own_take(struct tls_own *, struct ssl_st *, struct slice wrote) MUST_USE;

/* Takes the bytes of one record from *in, and opens it. out: room for TLS_OWN_ROOM bytes; *plain
 * lies there. What is to be answered is sealed. */
enum { TLS_OWN_ROOM = TLS_RECORD_CONTENT_MAX + 512 };
enum tls_own_result tls_own_open(struct tls_own *, struct slice *in, char *out, struct slice *plain,
                                 const char **why) MUST_USE;
/* Seals up to TLS_RECORD_CONTENT_MAX bytes. False: OpenSSL has failed, or the end is said. */
bool tls_own_seal(struct tls_own *, struct slice content) MUST_USE;
void tls_own_seal_end(struct tls_own *); /* close_notify */

#endif
