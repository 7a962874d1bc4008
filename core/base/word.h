/*
 * word - eight bytes of a text at a time. Answers are in the highest bits of the bytes.
 */
#ifndef BASE_WORD_H
#define BASE_WORD_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define WORD_OF(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The first byte of the text is in the lowest bits. */
static inline uint64_t word_read(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

static inline void word_write(char *at, uint64_t word)
{
    word = htole64(word);
    memcpy(at, &word, sizeof word);
}

/* Which bytes are from first to last, both of them ASCII? */
static inline uint64_t word_between(uint64_t word, char first, char last)
{
    uint64_t low = word & WORD_OF(0x7f); /* so that no byte borrows or carries */
    uint64_t found = ((low | WORD_OF(0x80)) - WORD_OF((unsigned char)first)) &
                     ~(low + WORD_OF(0x7fu - (unsigned char)last));

    return found & ~word & WORD_OF(0x80);
}

#endif
