/*
 * sha256 - the hash (FIPS 180-4), and HMAC with it (RFC 2104).
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/slice.h"

#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK_BYTES = 64 };

struct sha256 { /* begun by sha256_init */
    uint32_t state[8];
    uint64_t length;
    uint8_t block[SHA256_BLOCK_BYTES];
};

void sha256_init(struct sha256 *);
void sha256_add(struct sha256 *, struct slice);
void sha256_end(struct sha256 *, uint8_t digest[SHA256_BYTES]);

void sha256_hmac(struct slice key, struct slice text, uint8_t digest[SHA256_BYTES]);

#endif
