#include "base/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char decimal_pairs[201] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";

int decimal_parse(struct slice digits, int most)
{
    int64_t number = 0;

    if (digits.length == 0 || (digits.start[0] == '0' && digits.length > 1))
        return -1;
    for (size_t i = 0; i < digits.length && number <= most; i++) {
        if (!ascii_is_digit(digits.start[i]))
            return -1;
        number = number * 10 + (digits.start[i] - '0');
    }
    return number <= most ? (int)number : -1;
}

size_t decimal_of_double(double number, char out[DECIMAL_OF_DOUBLE_BYTES])
{
    enum { DIGITS_ALWAYS_KEPT = 15, DIGITS_ALWAYS_ENOUGH = 17 };
    char *digits_at = out;
    int length = 0;

    if (isnan(number)) /* whose sign means nothing */
        return (size_t)(slice_put(out, SLICE("nan")) - out);
    if (fabs(number) < 0x1p53 && number == floor(number)) {
        if (number < 0)
            *digits_at++ = '-';
        return (size_t)(decimal_put(digits_at, (uint64_t)fabs(number)) - out);
    }
    for (int digits = DIGITS_ALWAYS_KEPT; digits <= DIGITS_ALWAYS_ENOUGH; digits++) {
        length = snprintf(out, DECIMAL_OF_DOUBLE_BYTES, "%.*g", digits, number);
        if (digits == DIGITS_ALWAYS_ENOUGH || strtod(out, NULL) == number)
            break;
    }
    return (size_t)length;
}
