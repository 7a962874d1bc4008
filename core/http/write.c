#include "http/write.h"

#include "base/decimal.h"

void write_number(struct writer *w, uint64_t number)
{
    char digits[DECIMAL_BYTES];

    write_text(w, decimal_in(digits, number));
}

void write_decimal_field(struct writer *w, struct slice name, uint64_t number)
{
    char digits[DECIMAL_BYTES];

    write_field(w, name, decimal_in(digits, number));
}

size_t write_chunk_size(char *out, uint64_t size)
{
    static const char hex[] = "0123456789abcdef";
    size_t length = 1;

    for (uint64_t rest = size >> 4; rest > 0; rest >>= 4)
        length++;
    for (size_t i = length; i > 0; i--) {
        out[i - 1] = hex[size & 15];
        size >>= 4;
    }
    out[length] = '\r';
    out[length + 1] = '\n';
    return length + 2;
}
