/*
 *   request   token SP target SP version CRLF, then fields
 *   response  version SP status [SP reason] CRLF, then fields
 *   fields    *( token ":" text CRLF ) CRLF
 */
#include "http/scan.h"

#include "http/syntax.h"

static const char *skip_token(const char *at, const char *end)
{
    while (at < end && is_token_byte(*at))
        at++;
    return at;
}

static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

static bool stands_at(const char *at, const char *end, struct slice text)
{
    return (size_t)(end - at) >= text.length && memcmp(at, text.start, text.length) == 0;
}

static struct slice between(const char *start, const char *end)
{
    return (struct slice){start, (size_t)(end - start)};
}

/* --- the fields --- */

/* One line; NULL if it is none. */
static const char *scan_field(const char *at, const char *end, struct field *field, bool *is_plain)
{
    const char *name_end = skip_token(at, end);
    const char *value, *text_end, *value_end;

    if (name_end == at || name_end == end || *name_end != ':')
        return NULL;
    value = skip_spaces(name_end + 1, end);
    value_end = text_end = syntax_skip_text(value, end);
    if (!stands_at(text_end, end, SLICE("\r\n")))
        return NULL;
    while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t'))
        value_end--;
    field->name = between(at, name_end);
    field->value = between(value, value_end);
    *is_plain = value == name_end + 2 && name_end[1] == ' ' && value_end == text_end;
    return text_end + 2;
}

/* Gives the end of the head. */
static const char *scan_fields(const char *at, const char *end, const struct scan_room *room,
                               struct head *head)
{
    unsigned count = 0;
    uint32_t seen = 0;

    for (; at < end && *at != '\r'; count++) {
        bool is_plain;
        enum field_kind kind;

        if (count == room->count)
            return NULL;
        at = scan_field(at, end, &room->fields[count], &is_plain);
        if (at == NULL)
            return NULL;
        kind = field_kind_of(room->fields[count].name);
        room->kinds[count] = (unsigned char)(kind | (is_plain ? FIELD_IS_PLAIN : 0));
        seen |= (uint32_t)1 << kind;
    }
    head->fields = room->fields;
    head->fields_count = count;
    head->kinds = room->kinds;
    head->seen = seen;
    return stands_at(at, end, SLICE("\r\n")) ? at + 2 : NULL;
}

/* --- the first line --- */

/* "HTTP/1.0" or "HTTP/1.1". */
static const char *scan_version(const char *at, const char *end, struct head *head)
{
    if (stands_at(at, end, SLICE("HTTP/1.1")))
        head->version = VERSION_1_1;
    else if (stands_at(at, end, SLICE("HTTP/1.0")))
        head->version = VERSION_1_0;
    else
        return NULL;
    return at + strlen("HTTP/1.1");
}

static const char *scan_request_line(const char *at, const char *end, struct head *head)
{
    const char *method_end = skip_token(at, end);
    const char *target_end;

    if (method_end == at || method_end == end || *method_end != ' ')
        return NULL;
    target_end = syntax_skip_target(method_end + 1, end);
    if (target_end == method_end + 1 || target_end == end || *target_end != ' ')
        return NULL;
    head->method = between(at, method_end);
    head->target = between(method_end + 1, target_end);
    at = scan_version(target_end + 1, end, head);
    return at != NULL && stands_at(at, end, SLICE("\r\n")) ? at + 2 : NULL;
}

/* " 200", then a space and a reason, which may be empty, or neither. */
static const char *scan_status_line(const char *at, const char *end, struct head *head)
{
    at = scan_version(at, end, head);
    if (at == NULL || end - at < 4 || at[0] != ' ' || at[1] < '1' || at[1] > '5' ||
        !ascii_is_digit(at[2]) || !ascii_is_digit(at[3]))
        return NULL;
    head->status = (unsigned)((at[1] - '0') * 100 + (at[2] - '0') * 10 + at[3] - '0');
    at += 4;
    head->reason = between(at, at);
    if (at < end && *at == ' ') {
        const char *reason_end = syntax_skip_text(at + 1, end);

        head->reason = between(at + 1, reason_end);
        at = reason_end;
    }
    return stands_at(at, end, SLICE("\r\n")) ? at + 2 : NULL;
}

/* --- heads --- */

static size_t scan_rest(struct slice bytes, const char *at, const struct scan_room *room,
                        struct head *head)
{
    if (at != NULL)
        at = scan_fields(at, bytes.start + bytes.length, room, head);
    return at != NULL ? (size_t)(at - bytes.start) : 0;
}

size_t scan_request(struct slice bytes, const struct scan_room *room, struct head *head)
{
    const char *at = scan_request_line(bytes.start, bytes.start + bytes.length, head);

    return scan_rest(bytes, at, room, head);
}

size_t scan_response(struct slice bytes, const struct scan_room *room, struct head *head)
{
    const char *at = scan_status_line(bytes.start, bytes.start + bytes.length, head);

    return scan_rest(bytes, at, room, head);
}

size_t scan_trailers(struct slice bytes, const struct scan_room *room, struct head *head)
{
    return scan_rest(bytes, bytes.start, room, head);
}

static struct slice moved(struct slice text, const char *from, const char *to)
{
    return (struct slice){to + (text.start - from), text.length};
}

static struct slice moved_if_set(struct slice text, const char *from, const char *to)
{
    return text.start != NULL ? moved(text, from, to) : text;
}

void scan_move(struct head *head, const char *from, const char *to, const struct scan_room *room)
{
    head->method = moved_if_set(head->method, from, to);
    head->target = moved_if_set(head->target, from, to);
    head->reason = moved_if_set(head->reason, from, to);
    for (unsigned i = 0; i < head->fields_count; i++) {
        const struct field *field = &head->fields[i];

        room->fields[i] =
            (struct field){moved(field->name, from, to), moved(field->value, from, to)};
    }
    memcpy(room->kinds, head->kinds, head->fields_count);
    head->fields = room->fields;
    head->kinds = room->kinds;
}
