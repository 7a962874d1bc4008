/*
 * fields - fields of a head to lines of HTTP/1.1, and back. The lines are those of one head and no
 * more, for the reader of HTTP/1.1, too; and what they become is a head with the same lines.
 *
 * An input: the kind of head and a bit for extended CONNECT, two bytes of head_max, then for each
 * field a byte with the length of its name, one with that of its value, and both.
 */
#include "http/h2_fields.h"
#include "http/parse.h"

#include "base/mem.h"

enum { HOW_BYTES = 3, MAY_CONNECT = 4 };

/* --- one head, and no more --- */

static unsigned count_lines(struct slice lines)
{
    unsigned count = 0;

    for (size_t i = 0; i < lines.length; i++) {
        CHECK(lines.start[i] != '\0');
        CHECK(lines.start[i] != '\r' || (i + 1 < lines.length && lines.start[i + 1] == '\n'));
        CHECK(lines.start[i] != '\n' || (i > 0 && lines.start[i - 1] == '\r'));
        count += lines.start[i] == '\n';
    }
    return count;
}

/* With the empty line: those of fields, the first one, and Host, Connection, Upgrade of ours. */
static void check_lines(enum h2_head_kind kind, struct slice lines, unsigned fields)
{
    unsigned count = count_lines(lines);
    struct slice end = SLICE("\r\n");

    CHECK(count > 0 && count <= fields + 5);
    if (count > 1 || kind != H2_TRAILERS)
        end = SLICE("\r\n\r\n");
    CHECK(lines.length >= end.length);
    CHECK(slice_is(slice_from(lines, lines.length - end.length), end));
    for (size_t i = 0; i + 4 < lines.length; i++)
        CHECK(memcmp(lines.start + i, "\r\n\r\n", 4) != 0);
}

/* It may refuse it, as it refuses a port that is none; it does not understand something else. */
static void check_reader(enum h2_head_kind kind, struct slice lines)
{
    static const struct parse_limits limits = {100000, 100000, 10000};
    struct arena arena = {NULL, NULL, NULL};
    struct parse p;
    size_t used;

    if (kind == H2_REQUEST)
        parse_init_request(&p, &limits, &arena, NULL);
    else
        parse_init_response(&p, &limits, &arena, false, NULL);
    if (parse_feed(&p, lines, &used) == PARSE_HEAD) {
        CHECK(used == lines.length);
        CHECK(p.head.fields_count + 2 == count_lines(lines));
        CHECK(!p.is_chunked);
    }
    parse_dispose(&p);
    arena_dispose(&arena);
}

/* --- there and back --- */

/* The lines of these fields; they are the caller's. */
static struct slice again(enum h2_head_kind kind, bool connects, const struct h2_lines *lines)
{
    struct h2_fields f;

    h2_fields_begin(&f, kind, 1000000);
    f.may_connect = connects;
    for (unsigned i = 0; i < lines->count; i++)
        CHECK(h2_fields_add(&f, lines->fields[i].name, lines->fields[i].value));
    CHECK(h2_fields_end(&f) == NULL && !f.head.is_large);
    return (struct slice){mem_copy(f.head.lines.start, f.head.lines.length), f.head.lines.length};
}

static struct slice there_and_back(enum h2_head_kind kind, struct slice lines, struct slice scheme,
                                   bool connects)
{
    struct arena arena = {NULL, NULL, NULL};
    struct h2_lines fields;
    struct slice result;

    h2_fields_of_lines(&arena, kind, lines, scheme, connects, &fields);
    result = again(kind, connects, &fields);
    arena_dispose(&arena);
    return result;
}

/* Once: Host moves, and all but one of several is left out. From then on nothing changes. */
static void check_way_back(enum h2_head_kind kind, const struct h2_head *head)
{
    bool connects = head->protocol.length > 0;
    struct slice scheme =
        slice_is_nocase(head->scheme, SLICE("http")) ? SLICE("http") : SLICE("https");
    struct slice lines = {mem_copy(head->lines.start, head->lines.length), head->lines.length};
    struct slice first = there_and_back(kind, lines, scheme, connects);
    struct slice second = there_and_back(kind, first, scheme, connects);

    CHECK(slice_is(first, second));
    mem_free((char *)(uintptr_t)lines.start);
    mem_free((char *)(uintptr_t)first.start);
    mem_free((char *)(uintptr_t)second.start);
}

/* --- an input --- */

/* Each byte in memory of its own, so that nobody can read beyond it. */
static struct slice take(struct slice *rest, size_t length)
{
    struct slice part;

    if (length > rest->length)
        length = rest->length;
    part = (struct slice){mem_copy(rest->start, length), length};
    *rest = slice_from(*rest, length);
    return part;
}

static unsigned add_fields(struct h2_fields *f, struct slice rest)
{
    unsigned count = 0;
    bool goes_on = true;

    while (goes_on && rest.length > 2) {
        size_t name_length = (unsigned char)rest.start[0];
        size_t value_length = (unsigned char)rest.start[1];
        struct slice name, value;

        rest = slice_from(rest, 2);
        name = take(&rest, name_length);
        value = take(&rest, value_length);
        goes_on = h2_fields_add(f, name, value);
        mem_free((char *)(uintptr_t)name.start);
        mem_free((char *)(uintptr_t)value.start);
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h2_fields f;
    enum h2_head_kind kind;
    unsigned count;

    if (size < HOW_BYTES)
        return -1;
    kind = (enum h2_head_kind)((data[0] & 3) % 3);
    h2_fields_begin(&f, kind, (size_t)(data[1] << 8 | data[2]));
    f.may_connect = (data[0] & MAY_CONNECT) != 0;
    count = add_fields(&f, (struct slice){(const char *)data + HOW_BYTES, size - HOW_BYTES});
    if (h2_fields_are_too_many(&f) || h2_fields_end(&f) != NULL || f.head.is_large)
        return 0;
    check_lines(kind, f.head.lines, count);
    if (kind != H2_TRAILERS)
        check_reader(kind, f.head.lines);
    if (f.head.protocol.length > 0 || !slice_begins(f.head.lines, SLICE("CONNECT ")))
        check_way_back(kind, &f.head); /* a plain CONNECT is never sent */
    return 0;
}
