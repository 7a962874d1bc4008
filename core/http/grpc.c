#include "http/grpc.h"

#include "http/write.h"

enum { UNKNOWN = 2, DIGITS_MAX = 8, STATUS_MAX = 999 };

/* --- the call --- */

bool grpc_is(const struct head *head)
{
    const struct slice *type;
    struct slice rest;

    if (!slice_is(head->method, SLICE("POST")))
        return false;
    type = head_find(head, SLICE("content-type"));
    if (type == NULL || !slice_begins_nocase(*type, GRPC_TYPE))
        return false;
    rest = slice_from(*type, GRPC_TYPE.length);
    return rest.length == 0 || strchr("+; \t", rest.start[0]) != NULL;
}

static void grpc_read_path(struct grpc_call *call, struct slice path)
{
    struct slice rest = path.length > 0 ? slice_from(path, 1) : path;
    struct slice service = slice_take_until(&rest, '/');

    if (service.length == 0 || rest.length == 0 || memchr(rest.start, '/', rest.length) != NULL)
        return;
    call->service = service;
    call->method = rest;
}

void grpc_read(struct grpc_call *call, const struct head *head, struct slice path)
{
    const struct slice *timeout = head_find(head, GRPC_TIMEOUT);

    *call = (struct grpc_call){.service = {"", 0}, .method = {"", 0}};
    grpc_read_path(call, path);
    if (timeout != NULL && !grpc_timeout_read(*timeout, &call->timeout_ms))
        call->timeout_ms = 0;
}

/* --- timeouts --- */

bool grpc_timeout_read(struct slice text, uint64_t *ms)
{
    uint64_t number;
    struct slice digits = {text.start, text.length - 1};

    if (text.length < 2 || digits.length > DIGITS_MAX || !number_read(digits, &number))
        return false;
    switch (text.start[digits.length]) {
    case 'H':
        *ms = number * 3600 * 1000;
        break;
    case 'M':
        *ms = number * 60 * 1000;
        break;
    case 'S':
        *ms = number * 1000;
        break;
    case 'm':
        *ms = number;
        break;
    case 'u':
        *ms = (number + 999) / 1000;
        break;
    case 'n':
        *ms = (number + 999999) / 1000000;
        break;
    default:
        return false;
    }
    *ms = *ms > 0 ? *ms : 1;
    return true;
}

struct slice grpc_timeout_write(char room[GRPC_TIMEOUT_BYTES], uint64_t ms)
{
    static const struct {
        char unit;
        uint64_t ms;
    } units[] = {{'m', 1}, {'S', 1000}, {'M', 60 * 1000}, {'H', 3600 * 1000}};
    char digits[DIGITS_MAX], *at = digits + sizeof digits;
    uint64_t number = ms;
    size_t unit = 0, length;

    while (number > 99999999 && unit + 1 < sizeof units / sizeof *units)
        number = ms / units[++unit].ms; /* rounded down: no backend works beyond the deadline */
    number = number > 99999999 ? 99999999 : number;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    length = (size_t)(digits + sizeof digits - at);
    memcpy(room, at, length);
    room[length] = units[unit].unit;
    return (struct slice){room, length + 1};
}

/* --- the answer --- */

unsigned grpc_status_of(unsigned http_status)
{
    static const struct {
        unsigned http, grpc;
    } known[] = {
        {400, 13},                      /* INTERNAL */
        {401, 16},                      /* UNAUTHENTICATED */
        {403, 7},                       /* PERMISSION_DENIED */
        {404, 12},                      /* UNIMPLEMENTED */
        {408, 4},  {504, 4},            /* DEADLINE_EXCEEDED */
        {413, 8},  {429, 8},  {431, 8}, /* RESOURCE_EXHAUSTED */
        {499, 1},                       /* CANCELLED */
        {502, 14}, {503, 14},           /* UNAVAILABLE */
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].http == http_status)
            return known[i].grpc;
    return UNKNOWN;
}

static int grpc_status_read(struct slice text)
{
    uint64_t number;

    return number_read(text, &number) && number <= STATUS_MAX ? (int)number : UNKNOWN;
}

int grpc_status_in(const struct head *head)
{
    const struct slice *status = head_find(head, GRPC_STATUS);

    return status != NULL ? grpc_status_read(*status) : GRPC_STATUS_NONE;
}

int grpc_status_in_lines(struct slice lines)
{
    while (lines.length > 0) {
        struct slice line = slice_take_until(&lines, '\n');
        struct slice name = slice_take_until(&line, ':');

        if (slice_is_nocase(name, GRPC_STATUS))
            return grpc_status_read(slice_trim_lines(line));
    }
    return GRPC_STATUS_NONE;
}

struct slice grpc_message(struct arena *arena, struct slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    struct writer w = writer_in(arena, 3 * text.length + 1);

    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.start[i];

        if (byte >= ' ' && byte <= '~' && byte != '%') {
            *write_room(&w, 1) = (char)byte;
        } else {
            char *at = write_room(&w, 3);

            at[0] = '%';
            at[1] = hex[byte >> 4];
            at[2] = hex[byte & 15];
        }
    }
    return writer_finish(&w);
}
