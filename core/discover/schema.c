#include "discover/schema.h"

#include "base/mem.h"

#include <stdlib.h>

enum { NUMBER_BYTES_MAX = 20 };

struct reader {
    struct found_list *out;
    const char *at, *end;
    char *room; /* for what is unescaped: never longer than it was */
    struct buffer *wrong;
};

static bool fail(struct reader *r, const char *why)
{
    if (buffer_length(r->wrong) == 0)
        buffer_printf(r->wrong, "entry %u: %s", r->out->count + 1, why);
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

static bool comes(struct reader *r, char byte)
{
    skip_space(r);
    return r->at < r->end && *r->at == byte;
}

static bool take_word(struct reader *r, struct slice word)
{
    skip_space(r);
    if (!slice_begins((struct slice){r->at, (size_t)(r->end - r->at)}, word))
        return false;
    r->at += word.length;
    return true;
}

/* --- texts --- */

static bool take_code(struct reader *r)
{
    unsigned code = 0;

    for (int i = 0; i < 4; i++) {
        int digit = r->at < r->end ? ascii_hex_value(*r->at++) : -1;

        if (digit < 0)
            return fail(r, "\\u has four digits");
        code = code << 4 | (unsigned)digit;
    }
    if (code < 0x20 || (code >= 0xd800 && code < 0xe000))
        return fail(r, "a control byte, or a character in two halves: write it as UTF-8");
    if (code >= 0x800) {
        *r->room++ = (char)(0xe0 | code >> 12);
        *r->room++ = (char)(0x80 | (code >> 6 & 0x3f));
    } else if (code >= 0x80) {
        *r->room++ = (char)(0xc0 | code >> 6);
    }
    *r->room++ = (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code);
    return true;
}

static bool take_escape(struct reader *r)
{
    char byte = r->at < r->end ? *r->at++ : '\0';

    if (byte == 'u')
        return take_code(r);
    if (byte != '"' && byte != '\\' && byte != '/')
        return fail(r, "an escape in a text that is none, or of a control byte");
    *r->room++ = byte;
    return true;
}

static bool take_text(struct reader *r, struct slice *out)
{
    char *start = r->room;

    if (!take(r, '"'))
        return fail(r, "expected a text");
    while (r->at < r->end && *r->at != '"') {
        if ((unsigned char)*r->at < 0x20)
            return fail(r, "a control byte in a text");
        if (*r->at != '\\') {
            *r->room++ = *r->at++;
            continue;
        }
        r->at++;
        if (!take_escape(r))
            return false;
    }
    if (!take(r, '"'))
        return fail(r, "a text has no end");
    *out = (struct slice){start, (size_t)(r->room - start)};
    return true;
}

/* --- members --- */

static bool take_count(struct reader *r, uint32_t *out)
{
    uint64_t number = 0;
    unsigned digits = 0;

    skip_space(r);
    for (; r->at < r->end && ascii_is_digit(*r->at) && digits < NUMBER_BYTES_MAX; r->at++) {
        number = number * 10 + (uint64_t)(*r->at - '0');
        if (number > UINT32_MAX)
            number = UINT32_MAX;
        digits++;
    }
    if (digits == 0 || (r->at < r->end && memchr(".eE0123456789", *r->at, 13) != NULL))
        return fail(r, "expected a whole number");
    *out = (uint32_t)number;
    return true;
}

static bool take_flag(struct reader *r, bool *out)
{
    *out = take_word(r, SLICE("true"));
    return *out || take_word(r, SLICE("false")) || fail(r, "expected true or false");
}

static bool take_tags(struct reader *r, struct found *f, struct found_tag tags[FOUND_TAGS_MAX])
{
    if (!take(r, '{'))
        return fail(r, "tags: expected an object");
    while (!comes(r, '}')) {
        struct found_tag tag;

        if (f->tags_count == FOUND_TAGS_MAX)
            return fail(r, "32 tags at most");
        if (!take_text(r, &tag.name))
            return false;
        if (!take(r, ':'))
            return fail(r, "expected ':' behind the name of a tag");
        if (!take_text(r, &tag.value))
            return false;
        for (unsigned i = 0; i < f->tags_count; i++)
            if (slice_is(tags[i].name, tag.name))
                return fail(r, "a tag is there twice");
        tags[f->tags_count++] = tag;
        if (!take(r, ',') && !comes(r, '}'))
            return fail(r, "expected ',' or '}' in tags");
    }
    r->at++;
    f->tags = tags;
    return true;
}

static const char *const members[] = {"address",       "name",     "weight", "priority",
                                      "max_in_flight", "draining", "tags"};

enum { MEMBERS = sizeof members / sizeof *members };

static bool take_value(struct reader *r, unsigned which, struct found *f, struct found_tag *tags)
{
    switch (which) {
    case 0:
        return take_text(r, &f->address);
    case 1:
        return take_text(r, &f->name) && (f->name.length > 0 || fail(r, "an empty name"));
    case 2:
        return take_count(r, &f->weight);
    case 3:
        return take_count(r, &f->priority);
    case 4:
        return take_count(r, &f->max_in_flight);
    case 5:
        return take_flag(r, &f->draining);
    default:
        return take_tags(r, f, tags);
    }
}

static bool take_member(struct reader *r, unsigned *seen, struct found *f, struct found_tag *tags)
{
    unsigned which = 0;
    struct slice name;

    if (!take_text(r, &name))
        return false;
    while (which < MEMBERS && !slice_is(name, slice_of(members[which])))
        which++;
    if (which == MEMBERS)
        return fail(r, "an unknown member: address, name, weight, priority, max_in_flight, "
                       "draining and tags are known");
    if (*seen & 1u << which)
        return fail(r, "a member is there twice");
    *seen |= 1u << which;
    if (!take(r, ':'))
        return fail(r, "expected ':' behind a name");
    return take_value(r, which, f, tags);
}

static bool take_object(struct reader *r, struct found *f, struct found_tag *tags)
{
    unsigned seen = 0;

    if (!take(r, '{'))
        return fail(r, "expected an address or an object");
    while (!comes(r, '}')) {
        if (!take_member(r, &seen, f, tags))
            return false;
        if (!take(r, ',') && !comes(r, '}'))
            return fail(r, "expected ',' or '}'");
    }
    r->at++;
    return (seen & 1) != 0 || fail(r, "the address is missing");
}

static bool take_entry(struct reader *r)
{
    struct found_tag tags[FOUND_TAGS_MAX];
    struct found found = {.weight = 1};

    found.name = found.address = SLICE("");
    return (comes(r, '"') ? take_text(r, &found.address) : take_object(r, &found, tags)) &&
           found_add(r->out, &found, r->wrong);
}

static bool take_list(struct reader *r)
{
    if (!take(r, '['))
        return fail(r, "expected a list in brackets");
    if (!take(r, ']')) {
        do
            if (!take_entry(r))
                return false;
        while (take(r, ','));
        if (!take(r, ']'))
            return fail(r, "expected ',' or ']' before it");
    }
    skip_space(r);
    return r->at == r->end || fail(r, "something is behind the list");
}

bool schema_read(struct found_list *out, struct slice json, struct buffer *wrong)
{
    char *room = mem_alloc(json.length + 1);
    struct reader r = {out, json.start, json.start + json.length, room, wrong};
    bool is_good = take_list(&r) && found_check(out, wrong);

    mem_free(room);
    return is_good;
}
