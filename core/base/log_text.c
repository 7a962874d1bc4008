#include "base/log_text.h"

#include "base/decimal.h"
#include "base/utf8.h"

#include <time.h>

/* --- escapes --- */

/* Writes the byte's escape, of 2 to 6 bytes. */
static size_t escape_byte(char *out, unsigned char byte, enum log_format format)
{
    static const char named[] = "\nn\rr\tt\\\\\"\"";
    const char *prefix = format == LOG_JSON ? "\\u00" : "\\x";
    size_t length = strlen(prefix);

    for (const char *n = named; *n != '\0'; n += 2)
        if (byte == (unsigned char)n[0]) {
            out[0] = '\\';
            out[1] = n[1];
            return 2;
        }
    memcpy(out, prefix, length);
    out[length] = HEX_DIGITS[byte >> 4];
    out[length + 1] = HEX_DIGITS[byte & 15];
    return length + 2;
}

static bool is_between(unsigned char byte, unsigned char least, unsigned char most)
{
    return byte >= least && byte <= most;
}

/* Characters that a terminal or an editor obeys: U+0080 to U+009F, those that
 * separate lines (U+2028, U+2029) and those that turn the direction of writing
 * or show nothing (U+061C, U+200E, U+202A, U+2066, U+FEFF and their like). */
static bool is_control_character(struct slice text)
{
    const unsigned char *c = (const unsigned char *)text.start;

    if (c[0] == 0xc2)
        return c[1] < 0xa0;
    if (c[0] == 0xd8)
        return c[1] == 0x9c;
    if (c[0] == 0xe2 && c[1] == 0x80)
        return is_between(c[2], 0x8e, 0x8f) || is_between(c[2], 0xa8, 0xae);
    if (c[0] == 0xe2 && c[1] == 0x81)
        return is_between(c[2], 0xa0, 0xaf);
    return c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf;
}

/* --- text --- */

static bool is_plain(char c, enum log_format format)
{
    return c >= 0x20 && c < 0x7f && c != '\\' && (c != '"' || format == LOG_TEXT);
}

/* No byte of the eight needs an escape: each is below 0x7f, to which one is added to see that, from
 * none a borrow is needed to take 0x20, and none is zero where it differs from '"' and '\\', so
 * that one can be taken from that, too. What a carry or a borrow does to the bytes above its own is
 * of no account: it comes from a byte that does need one. */
static bool are_plain(uint64_t eight)
{
    const uint64_t ones = UINT64_MAX / 255, high = ones * 0x80;
    uint64_t quote = eight ^ (ones * '"'), backslash = eight ^ (ones * '\\');

    return ((eight | (eight + ones) | (eight - ones * 0x20) | (quote - ones) | (backslash - ones)) &
            high) == 0;
}

static bool copy_eight(char *out, const char *text)
{
    uint64_t eight;

    memcpy(&eight, text, sizeof eight);
    if (!are_plain(eight))
        return false;
    memcpy(out, &eight, sizeof eight);
    return true;
}

/* Copies what needs no escape; gives how much. */
static size_t copy_plain(char *out, struct slice text, enum log_format format)
{
    size_t at = 0;

    while (text.length - at >= 8 && copy_eight(out + at, text.start + at))
        at += 8;
    /* Where only the rest is left, the last eight once more cost less than up to seven singly. */
    if (at > 0 && text.length - at < 8 &&
        copy_eight(out + text.length - 8, text.start + text.length - 8))
        return text.length;
    for (; at < text.length && is_plain(text.start[at], format); at++)
        out[at] = text.start[at];
    return at;
}

/* What stands for the character at the start of the text, which is not plain: itself or its escape.
 * taken: how many bytes of the text that is. */
static struct slice show_character(struct slice text, char escape[8], size_t *taken,
                                   bool ascii_only, enum log_format format)
{
    *taken = ascii_only ? 0 : utf8_length(text);
    if (*taken > 0 && !is_control_character(text))
        return (struct slice){text.start, *taken};
    *taken = 1;
    return (struct slice){escape, escape_byte(escape, (unsigned char)text.start[0], format)};
}

static char *put_shown(char *out, struct slice text, size_t limit, bool ascii_only,
                       enum log_format format)
{
    while (text.length > 0) {
        struct slice piece = {text.start, text.length < limit ? text.length : limit};
        size_t taken = copy_plain(out, piece, format);
        char escape[8];

        if (taken > 0) {
            out += taken;
            limit -= taken;
        } else {
            piece = show_character(text, escape, &taken, ascii_only, format);
            if (piece.length > limit) /* also where there is room for nothing more */
                return slice_put(out, SLICE("..."));
            out = slice_put(out, piece);
            limit -= piece.length;
        }
        text = slice_from(text, taken);
    }
    return out;
}

/* Nearly all texts are plain and short enough: then this is all. */
static bool put_plain(char *out, struct slice text, size_t limit, enum log_format format)
{
    return text.length <= limit && copy_plain(out, text, format) == text.length;
}

char *log_put_escaped(char *out, struct slice text, size_t limit, enum log_format format)
{
    if (put_plain(out, text, limit, format))
        return out + text.length;
    return put_shown(out, text, limit, false, format);
}

char *log_put_foreign(char *out, struct slice text, size_t limit, enum log_format format)
{
    if (put_plain(out, text, limit, format))
        return out + text.length;
    return put_shown(out, text, limit, true, format);
}

/* --- times --- */

static struct slice cut_time(char *room, const char *pattern, const struct tm *parts)
{
    return (struct slice){room, strftime(room, LOG_TIME_BYTES / 2, pattern, parts)};
}

/* "+0100", as strftime has it, in the form that RFC 3339 has and many programs read. */
static struct slice put_zone(char *room, const struct tm *parts)
{
    struct slice zone = cut_time(room, "%z", parts);

    if (zone.length != strlen("+0100"))
        return zone;
    room[5] = room[4];
    room[4] = room[3];
    room[3] = ':';
    return (struct slice){room, zone.length + 1};
}

char *log_put_time(char *out, uint64_t wall_us, enum log_format format)
{
    static struct {
        time_t second;
        struct slice before, behind; /* the milliseconds */
        char rooms[2][LOG_TIME_BYTES / 2];
    } caches[2], *cache;
    time_t second = (time_t)(wall_us / 1000000);
    struct tm parts;

    cache = &caches[format];
    if (cache->second != second || cache->before.length == 0) {
        cache->second = second;
        if (format == LOG_JSON) {
            gmtime_r(&second, &parts);
            cache->before = cut_time(cache->rooms[0], "%Y-%m-%dT%H:%M:%S.", &parts);
            cache->behind = SLICE("Z");
        } else {
            localtime_r(&second, &parts);
            cache->before = cut_time(cache->rooms[0], "%Y-%m-%d %H:%M:%S.", &parts);
            cache->behind = put_zone(cache->rooms[1], &parts);
        }
    }
    out = slice_put(out, cache->before);
    out = decimal_put_three(out, (unsigned)(wall_us / 1000 % 1000));
    return slice_put(out, cache->behind);
}
