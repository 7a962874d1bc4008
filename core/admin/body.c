#include "admin/body.h"

#include <stdlib.h>

enum { NUMBER_BYTES_MAX = 40, NAME_BYTES_MAX = 64 };

struct reader {
    struct body *body;
    const char *at, *end;
    char *room; /* for what is unescaped: never longer than it was */
};

static bool fail(struct reader *r, const char *why)
{
    r->body->wrong = why;
    return false;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && memchr(" \t\r\n", *r->at, 4) != NULL)
        r->at++;
}

static bool take(struct reader *r, char byte)
{
    skip_space(r);
    if (r->at == r->end || *r->at != byte)
        return false;
    r->at++;
    return true;
}

static bool take_word(struct reader *r, struct slice word)
{
    if (!slice_begins((struct slice){r->at, (size_t)(r->end - r->at)}, word))
        return false;
    r->at += word.length;
    return true;
}

/* --- texts --- */

static void put_character(struct reader *r, unsigned code)
{
    if (code < 0x80) {
        *r->room++ = (char)code;
    } else if (code < 0x800) {
        *r->room++ = (char)(0xc0 | code >> 6);
        *r->room++ = (char)(0x80 | (code & 0x3f));
    } else {
        *r->room++ = (char)(0xe0 | code >> 12);
        *r->room++ = (char)(0x80 | (code >> 6 & 0x3f));
        *r->room++ = (char)(0x80 | (code & 0x3f));
    }
}

static bool take_code(struct reader *r)
{
    unsigned code = 0;

    if (r->end - r->at < 4)
        return fail(r, "\\u has four digits");
    for (int i = 0; i < 4; i++) {
        int digit = ascii_hex_value(*r->at++);

        if (digit < 0)
            return fail(r, "\\u has four digits");
        code = code << 4 | (unsigned)digit;
    }
    if (code == 0 || (code >= 0xd800 && code < 0xe000))
        return fail(r, "a character that is written in two halves, or NUL: write it as UTF-8");
    put_character(r, code);
    return true;
}

static bool take_escape(struct reader *r)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *letter;

    if (r->at == r->end)
        return fail(r, "a text has no end");
    if (*r->at == 'u') {
        r->at++;
        return take_code(r);
    }
    letter = memchr(letters, *r->at++, sizeof letters - 1);
    if (letter == NULL)
        return fail(r, "an unknown escape in a text");
    *r->room++ = bytes[letter - letters];
    return true;
}

static bool take_text(struct reader *r, struct slice *out)
{
    char *start = r->room;

    if (!take(r, '"'))
        return fail(r, "expected a text");
    while (r->at < r->end && *r->at != '"') {
        if (*r->at == '\\') {
            r->at++;
            if (!take_escape(r))
                return false;
        } else if ((unsigned char)*r->at < 0x20) {
            return fail(r, "a control byte in a text");
        } else {
            *r->room++ = *r->at++;
        }
    }
    if (r->at == r->end)
        return fail(r, "a text has no end");
    r->at++;
    *out = (struct slice){start, (size_t)(r->room - start)};
    return true;
}

/* --- values --- */

static bool take_number(struct reader *r, double *out)
{
    char digits[NUMBER_BYTES_MAX + 1], *end;
    size_t length = 0;

    while (r->at + length < r->end && length < NUMBER_BYTES_MAX &&
           memchr("+-.0123456789Ee", r->at[length], 15) != NULL)
        length++;
    memcpy(digits, r->at, length);
    digits[length] = '\0';
    *out = strtod(digits, &end);
    if (length == 0 || *end != '\0' || (digits[0] != '-' && !ascii_is_digit(digits[0])))
        return fail(r, "expected a number, a text, true, false or null");
    r->at += length;
    return true;
}

static bool take_value(struct reader *r, struct body_member *m)
{
    skip_space(r);
    if (r->at < r->end && *r->at == '"') {
        m->type = BODY_TEXT;
        return take_text(r, &m->text);
    }
    if (take_word(r, SLICE("true")) || take_word(r, SLICE("false"))) {
        m->type = BODY_FLAG;
        m->flag = r->at[-2] == 'u';
        return true;
    }
    if (take_word(r, SLICE("null"))) {
        m->type = BODY_NULL;
        return true;
    }
    m->type = BODY_NUMBER;
    return take_number(r, &m->number);
}

static bool take_member(struct reader *r)
{
    struct body_member *m = &r->body->members[r->body->count];

    if (r->body->count == BODY_MEMBERS_MAX)
        return fail(r, "too many members");
    r->body->count++;
    if (!take_text(r, &m->name))
        return false;
    if (!take(r, ':'))
        return fail(r, "expected ':' behind a name");
    return take_value(r, m);
}

bool body_read(struct body *body, struct slice json)
{
    static char room[ANSWER_BODY_MAX];
    struct reader r = {body, json.start, json.start + json.length, room};

    *body = (struct body){0};
    CHECK(json.length <= sizeof room);
    skip_space(&r);
    if (r.at == r.end)
        return true;
    if (!take(&r, '{'))
        return fail(&r, "expected a JSON object");
    if (!take(&r, '}')) {
        do
            if (!take_member(&r))
                return false;
        while (take(&r, ','));
        if (!take(&r, '}'))
            return fail(&r, "expected ',' or '}'");
    }
    skip_space(&r);
    return r.at == r.end || fail(&r, "something is behind the object");
}

const struct body_member *body_find(const struct body *body, const char *name)
{
    for (unsigned i = 0; i < body->count; i++)
        if (slice_is(body->members[i].name, slice_of(name)))
            return &body->members[i];
    return NULL;
}
