#include "base/cipher.h"

static inline void take_round(cipher_words *x, cipher_words *y, cipher_words key)
{
    *x = ((*x >> 8 | *x << 24) + *y) ^ key;
    *y = (*y << 3 | *y >> 29) ^ *x;
}

static cipher_words in_all(uint32_t word)
{
    return (cipher_words){word, word, word, word};
}

/* The key's words, but for the first, go through the same rounds, whose number is their key. */
void cipher_init(struct cipher *c, const uint32_t key[CIPHER_KEY_WORDS])
{
    cipher_words first = in_all(key[0]);
    cipher_words rest[CIPHER_KEY_WORDS - 1] = {in_all(key[1]), in_all(key[2]), in_all(key[3])};

    for (uint32_t i = 0; i < CIPHER_ROUNDS; i++) {
        c->keys[i] = first;
        take_round(&rest[i % (CIPHER_KEY_WORDS - 1)], &first, in_all(i));
    }
}

void cipher_permute(const struct cipher *c, uint64_t blocks[CIPHER_BLOCKS])
{
    cipher_words x, y;

    for (unsigned i = 0; i < CIPHER_BLOCKS; i++) {
        x[i] = (uint32_t)(blocks[i] >> 32);
        y[i] = (uint32_t)blocks[i];
    }
    for (unsigned i = 0; i < CIPHER_ROUNDS; i++)
        take_round(&x, &y, c->keys[i]);
    for (unsigned i = 0; i < CIPHER_BLOCKS; i++)
        blocks[i] = (uint64_t)x[i] << 32 | y[i];
}
