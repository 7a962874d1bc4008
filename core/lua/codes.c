/*
 * How bytes are written as text, and times as dates: core/lua/codes.lua and texts.lua call these by
 * name, and declare them.
 *
 * Each takes time by the length of its text, which the callers bound. `out` has room for the
 * result, which gets no NUL. Functions that decode give the length of the result, or -1 - the place
 * of the first wrong byte if the text is wrong.
 */
#include "base/sha256.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { DATE_BYTES = 8192 }; /* codes.lua has as many */

static int32_t wrong_at(size_t place)
{
    return -1 - (int32_t)place;
}

/* --- base64 --- */

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char for_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* RFC 4648, 4 with padding, or as is_url 5 without: 4 bytes for each 3 begun. */
int32_t codes_to_base64(const char *bytes, size_t length, bool is_url, char *out)
{
    const char *digits = is_url ? for_urls : standard;
    size_t written = 0;

    for (size_t i = 0; i < length; i += 3) {
        size_t count = length - i < 3 ? length - i : 3;
        uint32_t group = 0;

        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (j < count ? (uint8_t)bytes[i + j] : 0);
        for (size_t j = 0; j < 4; j++) {
            if (j <= count)
                out[written++] = digits[group >> (18 - 6 * j) & 63];
            else if (!is_url)
                out[written++] = '=';
        }
    }
    return (int32_t)written;
}

static int base64_value(char c, bool is_url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (is_url ? '-' : '+'))
        return 62;
    return c == (is_url ? '_' : '/') ? 63 : -1;
}

/* How much of the text is digits, if it ends as it may; else the whole: it is wrong somewhere. */
static size_t without_padding(const char *text, size_t length)
{
    size_t digits = length;

    while (length - digits < 2 && digits > 0 && text[digits - 1] == '=')
        digits--;
    return length % 4 == 0 ? digits : length;
}

/* 3 bytes for each 4 begun. With is_url padding may be left out; bits that mean nothing are 0. */
int32_t codes_from_base64(const char *text, size_t length, bool is_url, char *out)
{
    size_t digits = without_padding(text, length), written = 0;
    uint32_t group = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < digits; i++) {
        int value = base64_value(text[i], is_url);

        if (value < 0)
            return wrong_at(i);
        group = group << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[written++] = (char)(group >> bits & 255);
        }
    }
    if (digits % 4 == 1 || (!is_url && length % 4 != 0))
        return wrong_at(length);
    if ((group & ((1u << bits) - 1)) != 0) /* another text would mean the same */
        return wrong_at(digits - 1);
    return (int32_t)written;
}

/* --- hex, and percent --- */

/* 2 bytes for each, in lower case. */
int32_t codes_to_hex(const char *bytes, size_t length, char *out)
{
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = HEX_DIGITS[(uint8_t)bytes[i] >> 4];
        out[2 * i + 1] = HEX_DIGITS[bytes[i] & 15];
    }
    return (int32_t)(2 * length);
}

int32_t codes_from_hex(const char *text, size_t length, char *out)
{
    for (size_t i = 0; i < length; i++) {
        int value = ascii_hex_value(text[i]);

        if (value < 0)
            return wrong_at(i);
        out[i / 2] = (char)(i % 2 == 0 ? value << 4 : out[i / 2] | value);
    }
    return length % 2 == 0 ? (int32_t)(length / 2) : wrong_at(length);
}

/* RFC 3986, 2.1: all but unreserved characters become "%41", 3 bytes for each. */
int32_t codes_to_percent(const char *bytes, size_t length, char *out)
{
    static const char upper[] = "0123456789ABCDEF"; /* RFC 3986, 2.1 */
    size_t written = 0;

    for (size_t i = 0; i < length; i++) {
        if (ascii_is_unreserved(bytes[i])) {
            out[written++] = bytes[i];
            continue;
        }
        out[written++] = '%';
        out[written++] = upper[(uint8_t)bytes[i] >> 4];
        out[written++] = upper[bytes[i] & 15];
    }
    return (int32_t)written;
}

/* With is_form a "+" is a space, and a "%" without two digits behind it stays as it is. */
int32_t codes_from_percent(const char *text, size_t length, bool is_form, char *out)
{
    size_t written = 0;

    for (size_t i = 0; i < length; i++) {
        int high = text[i] == '%' && i + 2 < length ? ascii_hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? ascii_hex_value(text[i + 2]) : -1;

        if (low >= 0) {
            out[written++] = (char)(high << 4 | low);
            i += 2;
        } else if (text[i] == '%' && !is_form) {
            return wrong_at(i);
        } else {
            out[written++] = text[i] == '+' && is_form ? ' ' : text[i];
        }
    }
    return (int32_t)written;
}

/* Hex digits, as of the next. */
void codes_sha256(const char *text, size_t length, char out[64])
{
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];

    sha256_init(&hash);
    sha256_add(&hash, (struct slice){text, length});
    sha256_end(&hash, digest);
    codes_to_hex((const char *)digest, sizeof digest, out);
}

void codes_hmac(const char *key, size_t key_length, const char *text, size_t length, char hex[64])
{
    uint8_t digest[SHA256_BYTES];

    sha256_hmac((struct slice){key, key_length}, (struct slice){text, length}, digest);
    codes_to_hex((const char *)digest, sizeof digest, hex);
}

/* --- dates --- */

static bool in_utc(double seconds, struct tm *out)
{
    time_t at = (time_t)seconds;

    return gmtime_r(&at, out) != NULL;
}

/* A time in UTC. The format was read by codes.lua: its conversions are known ones. The length; 0:
 * there is no such date. */
size_t codes_date(const char *format, double seconds, char out[DATE_BYTES])
{
    struct tm at;

    if (!in_utc(seconds, &at))
        return 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return strftime(out, DATE_BYTES, format, &at);
#pragma GCC diagnostic pop
}

/* year, month, day, hour, min, sec, wday, yday as Lua has them. False: there is no such date. */
bool codes_date_fields(double seconds, int32_t out[8])
{
    struct tm at;

    if (!in_utc(seconds, &at))
        return false;
    out[0] = at.tm_year + 1900;
    out[1] = at.tm_mon + 1;
    out[2] = at.tm_mday;
    out[3] = at.tm_hour;
    out[4] = at.tm_min;
    out[5] = at.tm_sec;
    out[6] = at.tm_wday + 1;
    out[7] = at.tm_yday + 1;
    return true;
}

/* The other way round, of the first six, which may be beyond what a calendar has. */
double codes_time(const int32_t fields[6])
{
    struct tm at = {.tm_year = fields[0] - 1900,
                    .tm_mon = fields[1] - 1,
                    .tm_mday = fields[2],
                    .tm_hour = fields[3],
                    .tm_min = fields[4],
                    .tm_sec = fields[5]};

    return (double)timegm(&at);
}
