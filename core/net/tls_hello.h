/*
 * tls_hello - what a TLS client says first, read before any library is asked. Pure.
 *
 * A ClientHello (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2) is one handshake message in one record or in
 * several. What is read of it says which site the client wants, so that the site is chosen before
 * anything of a handshake exists. The library reads the same bytes again: what is refused here, it
 * would refuse, too, but for what is larger than TLS_HELLO_BYTES_MAX.
 */
#ifndef NET_TLS_HELLO_H
#define NET_TLS_HELLO_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TLS_HELLO_BYTES_MAX = 16384, /* with the headers of its records */
    TLS_HELLO_NAME_BYTES = 253,  /* of a host name (RFC 1035, 2.3.4) */
    TLS_HELLO_ALPN_BYTES = 256,  /* of the list that is kept */
};

enum tls_hello_step {
    HELLO_MORE,    /* right so far, and not complete */
    HELLO_READY,   /* the members say what it is */
    HELLO_BAD,     /* why and alert say what is wrong */
    HELLO_NOT_TLS, /* text, as a client of plain HTTP sends it; known by the first byte */
};

/* Versions that a client offers, as bits. One that sends no supported_versions offers all up to the
 * version of its hello, TLS 1.2 at most (RFC 8446, 4.2.1). */
enum {
    TLS_HELLO_OLDER = 1,
    TLS_HELLO_1_2 = 2,
    TLS_HELLO_1_3 = 4,
};

struct tls_hello {
    size_t length; /* of all its records; what is behind that is not its */
    /* Of server_name (RFC 6066, 3): lower case, without a dot at its end. Of length 0: there is
     * none, or it is an address, or no host name. */
    char name[TLS_HELLO_NAME_BYTES + 1];
    size_t name_length;
    /* Of ALPN (RFC 7301), as on the wire: a byte that says how long, and the name. Whole names, as
     * many of the first ones as there is room for. */
    char alpn[TLS_HELLO_ALPN_BYTES];
    size_t alpn_length;
    unsigned versions;
    bool has_alpn, early_data, psk, ticket;
    const char *why; /* HELLO_BAD: in static words */
    uint8_t alert;   /* HELLO_BAD: the description (RFC 8446, 6) */
};

/* The bytes are all that came since the connection began, or more of them. What is wrong is so as
 * soon as the message is whole, or with the first byte that no record can have there. */
enum tls_hello_step tls_hello_read(struct slice bytes, struct tls_hello *out);

static inline struct slice tls_hello_name(const struct tls_hello *hello)
{
    return (struct slice){hello->name, hello->name_length};
}

/* Is that protocol in the list that is kept? */
bool tls_hello_offers(const struct tls_hello *, struct slice protocol);

#endif
