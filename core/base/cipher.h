/*
 * cipher - a permutation of 64 bits that nobody can reckon without its key: Speck64/128
 * (Beaulieu, Shors, Smith, Treatman-Clark, Weeks, Wingers, 2013), of four numbers at once.
 *
 * It makes ids of a counter: as different as the counter's values are, and one says nothing of
 * the next. For what has to stay secret, blocks of 64 bits are too short.
 */
#ifndef BASE_CIPHER_H
#define BASE_CIPHER_H

#include <stdint.h>

enum { CIPHER_ROUNDS = 27, CIPHER_KEY_WORDS = 4, CIPHER_BLOCKS = 4 };

/* One word of each block: the compiler has instructions for all at once. */
typedef uint32_t cipher_words __attribute__((vector_size(4 * CIPHER_BLOCKS)));

struct cipher {
    cipher_words keys[CIPHER_ROUNDS];
};

void cipher_init(struct cipher *, const uint32_t key[CIPHER_KEY_WORDS]);
void cipher_permute(const struct cipher *, uint64_t blocks[CIPHER_BLOCKS]);

#endif
