/*
 * tls_record - one record of TLS 1.3, sealed or opened with the keys of one direction.
 *
 * It knows no connection and no message (RFC 8446, 5 and 7.3): net/tls_own does. All cryptography
 * is OpenSSL's. The process has one cipher context for each suite and direction; it gets a
 * connection's key when that has a record to seal or to open.
 */
#ifndef NET_TLS_RECORD_H
#define NET_TLS_RECORD_H

#include "base/check.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TLS_RECORD_HEAD_BYTES = 5,
    TLS_RECORD_TAG_BYTES = 16,
    TLS_RECORD_CONTENT_MAX = 1 << 14,
    /* What a sealed record takes besides its content: its head, its type, its tag. */
    TLS_RECORD_MORE_BYTES = TLS_RECORD_HEAD_BYTES + 1 + TLS_RECORD_TAG_BYTES,
    /* After so many records a key is to be replaced (RFC 8446, 5.5, allows 2^24.5). */
    TLS_RECORD_KEY_WEARS = 1 << 24,
    TLS_SECRET_BYTES_MAX = 48,
    TLS_KEY_BYTES_MAX = 32,
    TLS_IV_BYTES = 12,
};

enum tls_record_type { TLS_RECORD_ALERT = 21, TLS_RECORD_HANDSHAKE = 22, TLS_RECORD_DATA = 23 };

/* Of one direction of one connection. Secret: wipe it when it is not needed any more. */
struct tls_keys {
    uint64_t sequence; /* the number of the next record */
    uint64_t id;       /* no other key of this process has it */
    uint8_t suite;     /* index into tls_record.c's table */
    uint8_t secret[TLS_SECRET_BYTES_MAX];
    uint8_t key[TLS_KEY_BYTES_MAX], iv[TLS_IV_BYTES];
};

/* Why a record is refused. */
struct tls_flaw {
    uint8_t alert; /* of RFC 8446, 6 */
    const char *why;
};

struct tls_content {
    uint8_t type;
    struct slice bytes;
};

/* Before all others; twice is fine. Asks OpenSSL for its ciphers. False: there is none, or no
 * memory. A suite whose cipher is missing is unknown. */
bool tls_record_prepare(void) MUST_USE;
/* The bytes of a secret of this suite, by its number in the registry; 0: unknown. */
unsigned tls_record_secret_bytes(uint16_t suite);
/* The keys that come of a traffic secret, and sequence 0. False: OpenSSL lacks memory, or the
 * suite is unknown. */
bool tls_keys_set(struct tls_keys *, uint16_t suite, const uint8_t *secret) MUST_USE;
/* The keys that follow upon these (RFC 8446, 7.2). */
bool tls_keys_update(struct tls_keys *) MUST_USE;
void tls_keys_wipe(struct tls_keys *);
uint16_t tls_keys_suite(const struct tls_keys *); /* by its number in the registry */
const char *tls_record_cipher(uint16_t suite);    /* as IANA calls it; "": unknown */

/* out: room for content and TLS_RECORD_MORE_BYTES, apart from the content. The bytes of the record;
 * 0: OpenSSL has failed. */
size_t tls_record_seal(struct tls_keys *, enum tls_record_type, struct slice content,
                       char *out) MUST_USE;
/* How long is the record that begins with these bytes? 0: there are too few to see that.
 * *flaw is not NULL: it is none that can come after the handshake. */
size_t tls_record_measure(struct slice, const struct tls_flaw **flaw) MUST_USE;
/* Opens a record that was measured. out: room for as many bytes as the record has; the content lies
 * there. NULL, or why it is refused: then nothing more can be opened with these keys. */
const struct tls_flaw *tls_record_open(struct tls_keys *, struct slice record, char *out,
                                       struct tls_content *) MUST_USE;

#endif
