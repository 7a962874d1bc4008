/*
 * slice - some bytes that belong to somebody else. Always borrowed.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *start;
    size_t length;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

/* Without its first bytes, of which there are so many. */
static inline struct slice slice_from(struct slice s, size_t at)
{
    return (struct slice){s.start + at, s.length - at};
}

/* Copies the bytes to out, where there is room; gives the place behind them. */
static inline char *slice_put(char *out, struct slice s)
{
    if (s.length > 0)
        memcpy(out, s.start, s.length);
    return out + s.length;
}

static inline bool slice_is(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.start, b.start, a.length) == 0);
}

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_alphanumeric(char c)
{
    return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

static inline bool slice_begins(struct slice s, struct slice with)
{
    return s.length >= with.length && memcmp(s.start, with.start, with.length) == 0;
}

#define HEX_DIGITS "0123456789abcdef"

/* 0 to 15; -1: no hex digit. */
static inline int ascii_hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte for which an escape stands, "%2f", with which the text begins; -1: it does not. */
static inline int ascii_unescape(struct slice text)
{
    int high, low;

    if (text.length < 3 || text.start[0] != '%')
        return -1;
    high = ascii_hex_value(text.start[1]);
    low = ascii_hex_value(text.start[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* What a URL never needs to escape (RFC 3986, 2.3). */
static inline bool ascii_is_unreserved(char c)
{
    return ascii_is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* The same but for the letter case, in ASCII only: how field names and most
 * tokens of HTTP compare (RFC 9110, 5.1). */
static inline bool slice_is_nocase(struct slice a, struct slice b)
{
    if (a.length != b.length)
        return false;
    if (a.length > 0 && a.start[0] == b.start[0] && memcmp(a.start, b.start, a.length) == 0)
        return true; /* as is the rule */
    for (size_t i = 0; i < a.length; i++)
        if (ascii_lower(a.start[i]) != ascii_lower(b.start[i]))
            return false;
    return true;
}

static inline bool slice_begins_nocase(struct slice s, struct slice with)
{
    return s.length >= with.length && slice_is_nocase((struct slice){s.start, with.length}, with);
}

static inline bool ascii_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without the spaces and tabs at both ends. */
static inline struct slice slice_trim(struct slice s)
{
    while (s.length > 0 && ascii_is_blank(s.start[0]))
        s.start++, s.length--;
    while (s.length > 0 && ascii_is_blank(s.start[s.length - 1]))
        s.length--;
    return s;
}

static inline bool slice_is_trimmed(struct slice s) /* slice_trim changes nothing */
{
    return s.length == 0 || (!ascii_is_blank(s.start[0]) && !ascii_is_blank(s.start[s.length - 1]));
}

/* As a segment of a path they mean another path, also as %2E (RFC 3986, 5.2.4): who asks for
 * /backends/../drain asks for /drain. */
static inline bool slice_is_dots(struct slice s)
{
    return slice_is(s, (struct slice){".", 1}) || slice_is(s, (struct slice){"..", 2});
}

/* Without the line ends at both ends, too: a Windows .env file leaves a CR behind its values. */
static inline struct slice slice_trim_lines(struct slice s)
{
    while (s.length > 0 && strchr(" \t\r\n", s.start[0]) != NULL && s.start[0] != '\0')
        s.start++, s.length--;
    while (s.length > 0 && strchr(" \t\r\n", s.start[s.length - 1]) != NULL &&
           s.start[s.length - 1] != '\0')
        s.length--;
    return s;
}

/* What stands before the mark, or all; *rest becomes what stands behind it. */
static inline struct slice slice_take_until(struct slice *rest, char mark)
{
    const char *found = rest->length > 0 ? memchr(rest->start, mark, rest->length) : NULL;
    struct slice taken = {rest->start,
                          found != NULL ? (size_t)(found - rest->start) : rest->length};
    size_t used = taken.length + (found != NULL);

    *rest = (struct slice){rest->start + used, rest->length - used};
    return taken;
}

#endif
