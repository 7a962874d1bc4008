#include "base/sha256.h"

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate_right(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

static void schedule(const uint8_t *block, uint32_t w[64])
{
    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (unsigned i = 16; i < 64; i++) {
        uint32_t s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

/* One round. Instead of moving eight words on, the next round calls them by the next names. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                           \
    do {                                                                                           \
        uint32_t t1 = v[h] +                                                                       \
                      (rotate_right(v[e], 6) ^ rotate_right(v[e], 11) ^ rotate_right(v[e], 25)) +  \
                      ((v[e] & v[f]) ^ (~v[e] & v[g])) + constants[i] + w[i];                      \
        uint32_t t2 = (rotate_right(v[a], 2) ^ rotate_right(v[a], 13) ^ rotate_right(v[a], 22)) +  \
                      ((v[a] & v[b]) ^ (v[a] & v[c]) ^ (v[b] & v[c]));                             \
        v[d] += t1;                                                                                \
        v[h] = t1 + t2;                                                                            \
    } while (0)

static void take_block(struct sha256 *hash, const uint8_t *block)
{
    uint32_t w[64], v[8]; /* a to h */

    schedule(block, w);
    memcpy(v, hash->state, sizeof v);
    for (unsigned i = 0; i < 64; i += 8) {
        ROUND(0, 1, 2, 3, 4, 5, 6, 7, i);
        ROUND(7, 0, 1, 2, 3, 4, 5, 6, i + 1);
        ROUND(6, 7, 0, 1, 2, 3, 4, 5, i + 2);
        ROUND(5, 6, 7, 0, 1, 2, 3, 4, i + 3);
        ROUND(4, 5, 6, 7, 0, 1, 2, 3, i + 4);
        ROUND(3, 4, 5, 6, 7, 0, 1, 2, i + 5);
        ROUND(2, 3, 4, 5, 6, 7, 0, 1, i + 6);
        ROUND(1, 2, 3, 4, 5, 6, 7, 0, i + 7);
    }
    for (unsigned i = 0; i < 8; i++)
        hash->state[i] += v[i];
}

void sha256_init(struct sha256 *hash)
{
    *hash = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                      0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_add(struct sha256 *hash, struct slice bytes)
{
    size_t held = hash->length % SHA256_BLOCK_BYTES;

    hash->length += bytes.length;
    while (held + bytes.length >= SHA256_BLOCK_BYTES) {
        size_t taken = SHA256_BLOCK_BYTES - held;

        memcpy(hash->block + held, bytes.start, taken);
        take_block(hash, hash->block);
        bytes = slice_from(bytes, taken);
        held = 0;
    }
    memcpy(hash->block + held, bytes.start, bytes.length);
}

void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_BYTES])
{
    static const char padding[SHA256_BLOCK_BYTES] = {(char)0x80};
    size_t held = hash->length % SHA256_BLOCK_BYTES;
    uint64_t bits = hash->length * 8;
    char length[8];

    for (unsigned i = 0; i < 8; i++)
        length[i] = (char)(bits >> (56 - 8 * i));
    sha256_add(hash, (struct slice){padding, held < 56 ? 56 - held : 120 - held});
    sha256_add(hash, (struct slice){length, sizeof length});
    for (unsigned i = 0; i < SHA256_BYTES; i++)
        digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

static void hash_with_pad(const uint8_t key[SHA256_BLOCK_BYTES], uint8_t pad, struct slice text,
                          uint8_t digest[SHA256_BYTES])
{
    char padded[SHA256_BLOCK_BYTES];
    struct sha256 hash;

    for (unsigned i = 0; i < SHA256_BLOCK_BYTES; i++)
        padded[i] = (char)(key[i] ^ pad);
    sha256_init(&hash);
    sha256_add(&hash, (struct slice){padded, sizeof padded});
    sha256_add(&hash, text);
    sha256_end(&hash, digest);
}

void sha256_hmac(struct slice key, struct slice text, uint8_t digest[SHA256_BYTES])
{
    uint8_t block[SHA256_BLOCK_BYTES] = {0}, inner[SHA256_BYTES];
    struct sha256 hash;

    if (key.length > sizeof block) {
        sha256_init(&hash);
        sha256_add(&hash, key);
        sha256_end(&hash, block);
    } else {
        memcpy(block, key.start, key.length);
    }
    hash_with_pad(block, 0x36, text, inner);
    hash_with_pad(block, 0x5c, (struct slice){(const char *)inner, sizeof inner}, digest);
}
