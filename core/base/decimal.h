/*
 * decimal - a number in digits, without what printf costs.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include "base/slice.h"

#include <stdint.h>

enum { DECIMAL_BYTES = 20 };

/* Borrows the room: the slice is its last part. */
static inline struct slice decimal_in(char room[DECIMAL_BYTES], uint64_t number)
{
    size_t at = DECIMAL_BYTES;

    do {
        room[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return (struct slice){room + at, DECIMAL_BYTES - at};
}

#endif
