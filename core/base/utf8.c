#include "base/utf8.h"

size_t utf8_length(struct slice text)
{
    const unsigned char *c = (const unsigned char *)text.start;
    size_t length = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;

    if (c[0] < 0xc2 || c[0] > 0xf4 || text.length < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
        (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return length;
}

size_t utf8_prefix(struct slice text)
{
    size_t at = 0;

    while (at < text.length) {
        size_t length = 1;

        if ((unsigned char)text.start[at] >= 0x80)
            length = utf8_length(slice_from(text, at));
        if (length == 0)
            return at;
        at += length;
    }
    return at;
}

size_t utf8_cut(struct slice text, size_t most)
{
    while (most > 0 && ((unsigned char)text.start[most] & 0xc0) == 0x80)
        most--;
    return most;
}
