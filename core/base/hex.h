/*
 * hex - sixteen digits of a number, without a branch; and back.
 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { HEX_NUMBER_BYTES = 16 };

/* Eight digits, all at once: one of the number's in each byte of a word, the first the lowest. */
static inline void hex_put_eight(char *out, uint32_t number)
{
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t digits = __builtin_bswap32(number), letters;

    digits = (digits | digits << 16) & 0x0000ffff0000ffff;
    digits = (digits | digits << 8) & 0x00ff00ff00ff00ff;
    digits = (digits >> 4 | digits << 8) & (ones * 0x0f);
    letters = (digits + ones * 6) >> 4 & ones; /* 1 where it is ten or more */
    digits += ones * '0' + letters * ('a' - '0' - 10);
    digits = htole64(digits);
    memcpy(out, &digits, sizeof digits);
}

/* In lower case. */
static inline void hex_put(char out[HEX_NUMBER_BYTES], uint64_t number)
{
    hex_put_eight(out, (uint32_t)(number >> 32));
    hex_put_eight(out + HEX_NUMBER_BYTES / 2, (uint32_t)number);
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
