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
    return (size_t)(slice_put(hex_put(out, size), SLICE("\r\n")) - out);
}
