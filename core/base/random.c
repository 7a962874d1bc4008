#include "base/random.h"

#include <stdlib.h>

static uint64_t state[4] = {1, 2, 3, 4};

void random_seed(void)
{
    do
        arc4random_buf(state, sizeof state);
    while ((state[0] | state[1] | state[2] | state[3]) == 0);
}

static uint64_t rotate_left(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

uint64_t random_bits(void)
{
    uint64_t result = state[0] + state[3];
    uint64_t moved = state[1] << 17;

    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= moved;
    state[3] = rotate_left(state[3], 45);
    return result;
}

double random_unit(void)
{
    return (double)(random_bits() >> 11) * 0x1p-53;
}

/* The high half of a product is even but for 1 in 2^32 / n, which no choice notices. */
uint32_t random_below(uint32_t n)
{
    return (uint32_t)((random_bits() >> 32) * n >> 32);
}
