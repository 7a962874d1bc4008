/*
 * decimal - a number in digits, or in hex digits, cheaper than by printf.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include "base/slice.h"

#include <stdint.h>

enum { DECIMAL_BYTES = 20, DECIMAL_OF_DOUBLE_BYTES = 32 };

extern const char decimal_pairs[201]; /* "000102" to "99" */

/* Borrows the room: the slice is its last part. */
static inline struct slice decimal_in(char room[DECIMAL_BYTES], uint64_t number)
{
    size_t at = DECIMAL_BYTES;

    for (; number >= 100; number /= 100)
        memcpy(room + (at -= 2), decimal_pairs + number % 100 * 2, 2);
    if (number >= 10)
        memcpy(room + (at -= 2), decimal_pairs + number * 2, 2);
    else
        room[--at] = (char)('0' + number);
    return (struct slice){room + at, DECIMAL_BYTES - at};
}

/* Digits alone, without a zero before them, of a number that is at most `most`; else -1. */
int decimal_parse(struct slice digits, int most);

/* The one way from a Lua number to its text: the shortest that reads back as the same number; a
 * whole number below 2^53 has all its digits. -0 is "0", as it is equal to 0; what is none is
 * "nan", "inf" or "-inf". Gives the number of bytes; there may be no NUL behind them. */
size_t decimal_of_double(double number, char out[DECIMAL_OF_DOUBLE_BYTES]);

/* Those below write at out, which has room for DECIMAL_BYTES, and return where they stopped. */

/* In hex digits, without zeros before them. */
static inline char *hex_put(char *out, uint64_t number)
{
    for (int shift = 60 - __builtin_clzll(number | 1) / 4 * 4; shift >= 0; shift -= 4)
        *out++ = HEX_DIGITS[number >> shift & 15];
    return out;
}

/* 0 to 999, as three digits. */
static inline char *decimal_put_three(char *out, unsigned number)
{
    out[0] = (char)('0' + number / 100);
    memcpy(out + 1, decimal_pairs + number % 100 * 2, 2);
    return out + 3;
}

static inline char *decimal_put(char *out, uint64_t number)
{
    char room[DECIMAL_BYTES];

    if (number >= 1000)
        return slice_put(out, decimal_in(room, number));
    if (number >= 100)
        return decimal_put_three(out, (unsigned)number);
    if (number >= 10)
        return slice_put(out, (struct slice){decimal_pairs + number * 2, 2});
    *out = (char)('0' + number);
    return out + 1;
}

#endif
