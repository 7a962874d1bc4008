#include "health/serving.h"

#include "base/check.h"

enum {
    PREFIX_BYTES = 5,
    FIELD_SERVICE = 1 << 3 | 2, /* protobuf: field 1, a text */
    FIELD_STATUS = 1 << 3,      /* field 1, a number */
    SHORT_MAX = 127,            /* a number in one byte */
};

void serving_ask(struct buffer *out, struct slice service)
{
    size_t length = service.length == 0 ? 0 : service.length + (service.length > SHORT_MAX ? 3 : 2);

    CHECK(length < 65536);
    buffer_append(out, (struct slice){"\0\0\0", 3});
    buffer_append_byte(out, (char)(length >> 8));
    buffer_append_byte(out, (char)(length & 255));
    if (service.length == 0)
        return;
    buffer_append_byte(out, FIELD_SERVICE);
    if (service.length > SHORT_MAX) {
        buffer_append_byte(out, (char)((service.length & SHORT_MAX) | (SHORT_MAX + 1)));
        buffer_append_byte(out, (char)(service.length >> 7));
    } else {
        buffer_append_byte(out, (char)service.length);
    }
    buffer_append(out, service);
}

unsigned serving_read(struct slice answer)
{
    struct slice message;

    if (answer.length < PREFIX_BYTES || memcmp(answer.start, "\0\0\0\0", 4) != 0 ||
        answer.length - PREFIX_BYTES != (unsigned char)answer.start[4])
        return SERVING_MALFORMED;
    message = slice_from(answer, PREFIX_BYTES);
    if (message.length == 0)
        return SERVING_UNKNOWN; /* a field of 0 is left out */
    if (message.length != 2 || message.start[0] != FIELD_STATUS || message.start[1] < 0 ||
        message.start[1] > SERVING_NO_SERVICE)
        return SERVING_MALFORMED;
    return (unsigned)message.start[1];
}
