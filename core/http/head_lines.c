#include "http/head_lines.h"

void write_framing(struct writer *w, enum framing framing, uint64_t length)
{
    if (framing == FRAMING_CHUNKED)
        write_text(w, SLICE("Transfer-Encoding: chunked\r\n"));
    if (framing == FRAMING_COUNTED)
        write_decimal_field(w, SLICE("Content-Length"), length);
}

void write_via(struct writer *w, enum version received)
{
    static const struct slice lines[] = {
        {"Via: 1.0 lb\r\n", 13}, {"Via: 1.1 lb\r\n", 13}, {"Via: 2.0 lb\r\n", 13}};

    write_text(w, lines[received]);
}

size_t changes_room(const struct field_changes *changes)
{
    return changes != NULL ? changes->bytes + changes->count * FIELD_ADDED_BYTES : 0;
}

void write_changes(struct writer *w, const struct field_changes *changes, bool is_trace)
{
    for (unsigned i = 0; changes != NULL && i < changes->count; i++) {
        const struct field *field = &changes->list[i];

        if (field->value.start != NULL &&
            !(is_trace && field_kind_of(field->name) == FIELD_CREDENTIALS))
            write_field(w, field->name, field->value);
    }
}
