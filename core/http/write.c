#include "http/write.h"

#include "base/decimal.h"

void write_number(struct writer *w, uint64_t number)
{
    char digits[DECIMAL_BYTES];

    write_text(w, decimal_in(digits, number));
}

void write_quoted(struct writer *w, struct slice text)
{
    write_text(w, SLICE("\""));
    for (size_t i = 0; i < text.length; i++) {
        if (text.start[i] == '"' || text.start[i] == '\\')
            write_text(w, SLICE("\\"));
        write_text(w, (struct slice){text.start + i, 1});
    }
    write_text(w, SLICE("\""));
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
