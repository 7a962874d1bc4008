#include "http/websocket.h"

#include "base/check.h"
#include "base/random.h"

#include <stdint.h>
#include <string.h>

enum { SHA1_BYTES = 20, SHA1_BLOCK_BYTES = 64, ROUNDS = 80 };

/* --- base64 (RFC 4648) --- */

static void put_base64(const uint8_t *bytes, size_t length, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t three = (uint32_t)bytes[i] << 16;

        three |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        three |= left > 2 ? (uint32_t)bytes[i + 2] : 0;
        *out++ = digits[three >> 18];
        *out++ = digits[three >> 12 & 63];
        *out++ = left > 1 ? digits[three >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[three & 63] : '=';
    }
}

/* --- SHA-1 (FIPS 180-4): nothing is secured by it here, but RFC 6455 asks for it --- */

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round / 20) {
    case 0:
        return ((b & c) | (~b & d)) + 0x5a827999;
    case 1:
        return (b ^ c ^ d) + 0x6ed9eba1;
    case 2:
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    default:
        return (b ^ c ^ d) + 0xca62c1d6;
    }
}

static void take_block(uint32_t state[5], const uint8_t block[SHA1_BLOCK_BYTES])
{
    uint32_t words[ROUNDS], s[5];

    for (unsigned i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                   (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (unsigned i = 16; i < ROUNDS; i++)
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    memcpy(s, state, sizeof s);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t next = rotate(s[0], 5) + mix(i, s[1], s[2], s[3]) + s[4] + words[i];

        s[4] = s[3];
        s[3] = s[2];
        s[2] = rotate(s[1], 30);
        s[1] = s[0];
        s[0] = next;
    }
    for (unsigned i = 0; i < 5; i++)
        state[i] += s[i];
}

/* Of a text that leaves room for its end in two blocks. */
static void sha1_of(struct slice text, uint8_t digest[SHA1_BYTES])
{
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t blocks[2 * SHA1_BLOCK_BYTES] = {0};

    CHECK(text.length + 1 + sizeof(uint64_t) <= sizeof blocks);
    memcpy(blocks, text.start, text.length);
    blocks[text.length] = 0x80;
    blocks[sizeof blocks - 2] = (uint8_t)(text.length * 8 >> 8);
    blocks[sizeof blocks - 1] = (uint8_t)(text.length * 8);
    CHECK(text.length + 1 + sizeof(uint64_t) > SHA1_BLOCK_BYTES);
    take_block(state, blocks);
    take_block(state, blocks + SHA1_BLOCK_BYTES);
    for (unsigned i = 0; i < SHA1_BYTES; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* --- the handshake --- */

void websocket_make_key(char key[WEBSOCKET_KEY_BYTES])
{
    uint8_t bytes[16];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_below(256);
    put_base64(bytes, sizeof bytes, key);
}

void websocket_accept(struct slice key, char accept[WEBSOCKET_ACCEPT_BYTES])
{
    static const char id[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[WEBSOCKET_KEY_BYTES + sizeof id - 1];
    uint8_t digest[SHA1_BYTES];

    CHECK(key.length == WEBSOCKET_KEY_BYTES);
    memcpy(text, key.start, key.length);
    memcpy(text + key.length, id, sizeof id - 1);
    sha1_of((struct slice){text, sizeof text}, digest);
    put_base64(digest, sizeof digest, accept);
}
