/*
 * tls_hello - the first message of a TLS client, read before the library reads it. Pure.
 *
 * A ClientHello (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2) is one handshake message in one record or in
 * several. It says which site the client wants, so that the site is chosen before the library makes
 * anything. The library reads the same bytes again. It would refuse whatever is refused here,
 * except a ClientHello that is larger than TLS_HELLO_BYTES_MAX.
 */
#ifndef NET_TLS_HELLO_H
#define NET_TLS_HELLO_H

#include "base/slice.h"
#include "net/tls_fingerprint.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TLS_HELLO_BYTES_MAX = 16384, /* with the headers of its records */
    TLS_HELLO_NAME_BYTES = 253,  /* of a host name (RFC 1035, 2.3.4) */
    TLS_HELLO_ALPN_BYTES = 256,  /* of struct tls_hello's list */
};

enum tls_hello_step {
    HELLO_MORE,    /* correct so far, but not complete */
    HELLO_READY,   /* complete: the members are filled */
    HELLO_BAD,     /* why and alert name the fault */
    HELLO_NOT_TLS, /* plain HTTP, judged by the first byte */
};

/* Versions that a client offers, as bits. Without supported_versions a client offers all up to the
 * version of its ClientHello, TLS 1.2 at most (RFC 8446, 4.2.1). */
enum {
    TLS_HELLO_OLDER = 1,
    TLS_HELLO_1_2 = 2,
    TLS_HELLO_1_3 = 4,
};

struct tls_hello {
    size_t length; /* of all its records; the bytes after them are not part of it */
    /* From server_name (RFC 6066, 3): lower case, without a dot at its end. Length 0: there is no
     * name, or it is an address or no host name. */
    char name[TLS_HELLO_NAME_BYTES + 1];
    size_t name_length;
    /* From ALPN (RFC 7301), as on the wire: a byte with the length, then the name. The first names,
     * as many whole ones as fit. */
    char alpn[TLS_HELLO_ALPN_BYTES];
    size_t alpn_length;
    unsigned versions;
    bool has_alpn, early_data, psk, ticket;
    const char *why; /* HELLO_BAD: a static text */
    uint8_t alert;   /* HELLO_BAD: the description (RFC 8446, 6) */
    struct tls_traits traits;
};

/* bytes: all that has come since the connection began, so more with each call. A fault of a record
 * or of the message's header is found at the wrong byte, others when the message is complete. */
enum tls_hello_step tls_hello_read(struct slice bytes, struct tls_hello *out);

static inline struct slice tls_hello_name(const struct tls_hello *hello)
{
    return (struct slice){hello->name, hello->name_length};
}

/* Is that protocol in out->alpn? */
bool tls_hello_offers(const struct tls_hello *, struct slice protocol);

#endif
