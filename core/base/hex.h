/*
 * hex - sixteen digits of a number, without a branch; and back.
 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { HEX_WORD_BYTES = 16 };

/* In lower case, all digits at once: each byte of the number twice, of which one keeps its upper
 * half and one its lower half. */
static inline void hex_put_word(char out[HEX_WORD_BYTES], uint64_t number)
{
    typedef uint8_t bytes __attribute__((vector_size(HEX_WORD_BYTES)));
    typedef uint16_t pairs __attribute__((vector_size(HEX_WORD_BYTES)));
    typedef uint64_t words __attribute__((vector_size(HEX_WORD_BYTES)));
    bytes each = (bytes)(words){htobe64(number), 0};
    bytes digits =
        __builtin_shufflevector(each, each, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    pairs upper = (pairs)digits >> 4;

#if __BYTE_ORDER == __LITTLE_ENDIAN
    digits = (bytes)((upper & 0x000f) | ((pairs)digits & 0x0f00));
#else
    digits = (bytes)((upper & 0x0f00) | ((pairs)digits & 0x000f));
#endif
    digits += '0' + ((bytes)(digits > 9) & ('a' - '0' - 10));
    memcpy(out, &digits, sizeof digits);
}

/* So many digits, 16 at most, all in lower case; false: some are not. */
static inline bool hex_read(const char *text, unsigned digits, uint64_t *number)
{
    *number = 0;
    for (unsigned i = 0; i < digits; i++) {
        char c = text[i];

        if (c >= '0' && c <= '9')
            *number = *number << 4 | (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *number = *number << 4 | (unsigned)(c - 'a' + 10);
        else
            return false;
    }
    return true;
}

#endif
