/*
 * tls_fingerprint - what kind of program a client is, by its ClientHello: JA4, as FoxIO describes
 * it. Pure.
 *
 *   t13d1516h2_8daaf6152771_e5627efa2ab1
 *    |  |   |   |            '- hash of its extensions, sorted, and of its signature algorithms
 *    |  |   |   '- hash of its cipher suites, sorted
 *    |  |   '- first and last character of the first protocol of ALPN; "00": there is none
 *    |  '- how many cipher suites and extensions it has
 *    '- its version, and whether it asks for a name: "d", else "i"
 *
 * Values of GREASE (RFC 8701) do not count. A connection keeps the traits, some 120 bytes; the text
 * takes a few microseconds and is made when somebody asks for it.
 */
#ifndef NET_TLS_FINGERPRINT_H
#define NET_TLS_FINGERPRINT_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TLS_TRAITS_MAX = 250, /* values; an honest client has fewer than 100 */
    TLS_FINGERPRINT_BYTES = 36,
};

struct tls_traits {
    uint16_t version;                       /* the highest that it offers; no GREASE */
    uint8_t suites, extensions, signatures; /* values of each kind, in this order */
    bool has_name;
    bool has_too_many; /* there is no fingerprint */
    char alpn[2];
    uint16_t values[TLS_TRAITS_MAX]; /* as they came */
};

bool tls_traits_is_grease(unsigned value);
/* One more value at the end; GREASE is left out. *count is its kind's. */
void tls_traits_add(struct tls_traits *, uint8_t *count, unsigned value);
/* From the first protocol of ALPN. */
void tls_traits_note_alpn(struct tls_traits *, struct slice protocol);
/* The bytes that are in use, for a copy. */
struct slice tls_traits_bytes(const struct tls_traits *);

/* Of bytes that tls_traits_bytes gave. False: there is none. */
bool tls_fingerprint_write(struct slice traits, char out[TLS_FINGERPRINT_BYTES]);

#endif
