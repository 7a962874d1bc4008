/*
 * Blocks that are written: each field is a number of the static table, or a name of it, or neither,
 * and its text as it is. Nothing enters the peer's table, so there is no state to keep in step; nor
 * is text coded by Huffman. HAProxy writes the same; nginx keeps no table either.
 *
 *   1 index                           :method GET
 *   0000 or 0001 index, value         content-type: text/plain     0001: a secret
 *   0000 or 0001 0, name, value       x-forwarded-for: 10.0.0.1
 */
#include "http/hpack.h"

#include "http/h2_frames.h"

/* Of the static table (RFC 7541, A), by the length of the name. */
enum { NAME_MAX = 27, PATTERN_INDEXED = 0x80, PATTERN_SECRET = 0x10, PATTERN_RESIZE = 0x20 };

struct known {
    const char *name;
    unsigned index; /* of its first row there */
};

static const struct known known[NAME_MAX + 1][7] = {
    [3] = {{"age", 21}, {"via", 60}},
    [4] = {{"date", 33}, {"host", 38}, {"etag", 34}, {"vary", 59}, {"link", 45}, {"from", 37}},
    [5] = {{":path", 4}, {"allow", 22}, {"range", 50}},
    [6] = {{"server", 54}, {"accept", 19}, {"cookie", 32}, {"expect", 35}},
    [7] = {{":status", 8},
           {":method", 2},
           {":scheme", 6},
           {"expires", 36},
           {"referer", 51},
           {"refresh", 52}},
    [8] = {{"location", 46}, {"if-match", 39}, {"if-range", 42}},
    [10] = {{":authority", 1}, {"user-agent", 58}, {"set-cookie", 55}},
    [11] = {{"retry-after", 53}},
    [12] = {{"content-type", 31}, {"max-forwards", 47}},
    [13] = {{"cache-control", 24},
            {"last-modified", 44},
            {"accept-ranges", 18},
            {"authorization", 23},
            {"content-range", 30},
            {"if-none-match", 41}},
    [14] = {{"content-length", 28}, {"accept-charset", 15}},
    [15] = {{"accept-encoding", 16}, {"accept-language", 17}},
    [16] = {{"content-encoding", 26},
            {"content-language", 27},
            {"content-location", 29},
            {"www-authenticate", 61}},
    [17] = {{"if-modified-since", 40}, {"transfer-encoding", 57}},
    [18] = {{"proxy-authenticate", 48}},
    [19] = {{"content-disposition", 25}, {"if-unmodified-since", 43}, {"proxy-authorization", 49}},
    [25] = {{"strict-transport-security", 56}},
    [27] = {{"access-control-allow-origin", 20}},
};

/* 0: it is not there. */
static unsigned index_of(struct slice name)
{
    if (name.length > NAME_MAX)
        return 0;
    for (const struct known *row = known[name.length]; row->name != NULL; row++)
        if (row->name[0] == name.start[0] && memcmp(row->name, name.start, name.length) == 0)
            return row->index;
    return 0;
}

/* Of a pseudo-field: the row with this value, too; else that of its name. */
static unsigned index_with_value(unsigned index, struct slice value)
{
    static const char *const values[] = {
        [2] = "GET",   [3] = "POST", [4] = "/",    [5] = "/index.html", [6] = "http",
        [7] = "https", [8] = "200",  [9] = "204",  [10] = "206",        [11] = "304",
        [12] = "400",  [13] = "404", [14] = "500",
    };
    static const unsigned last[] = {[2] = 3, [4] = 5, [6] = 7, [8] = 14};

    for (unsigned i = index; i <= last[index]; i++)
        if (slice_is(slice_of(values[i]), value))
            return i | PATTERN_INDEXED;
    return index;
}

/* A number with a prefix of so many bits, behind a pattern (5.1). */
static char *put_number(char *out, unsigned pattern, unsigned bits, size_t number)
{
    unsigned most = (1u << bits) - 1;

    if (number < most) {
        *out++ = (char)(pattern | number);
        return out;
    }
    *out++ = (char)(pattern | most);
    for (number -= most; number >= 0x80; number >>= 7)
        *out++ = (char)(number | 0x80);
    *out++ = (char)number;
    return out;
}

static char *put_text(char *out, struct slice text)
{
    return slice_put(put_number(out, 0, 7, text.length), text);
}

static char *put_field(char *out, const struct hpack_field *field)
{
    unsigned index = index_of(field->name), pattern = field->is_secret ? PATTERN_SECRET : 0;

    if (index >= 2 && index <= 8)
        index = index_with_value(index, field->value);
    if ((index & PATTERN_INDEXED) != 0) {
        *out++ = (char)index;
        return out;
    }
    out = put_number(out, pattern, 4, index);
    if (index == 0)
        out = put_text(out, field->name);
    return put_text(out, field->value);
}

void hpack_writer_resize(struct hpack_writer *writer, uint32_t bytes)
{
    if (bytes < H2_TABLE_FIRST)
        writer->must_resize = true;
}

/* The lengths of a name and a value, each a number with a prefix, and a change of the table. */
size_t hpack_room(const struct hpack_field *fields, unsigned count)
{
    size_t room = 1;

    for (unsigned i = 0; i < count; i++)
        room += 1 + 2 * 6 + fields[i].name.length + fields[i].value.length;
    return room;
}

size_t hpack_write(struct hpack_writer *writer, const struct hpack_field *fields, unsigned count,
                   char *out)
{
    char *at = out;

    if (writer->must_resize)
        *at++ = PATTERN_RESIZE; /* to nothing, which none of its later sizes is below (4.2) */
    writer->must_resize = false;
    for (unsigned i = 0; i < count; i++)
        at = put_field(at, &fields[i]);
    return (size_t)(at - out);
}
