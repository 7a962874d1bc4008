#include "config/pages.h"

#include "base/mem.h"
#include "http/field_rules.h"
#include "lua/fields.h"

enum {
    PAGES_LEAST = 400,
    PAGES_MOST = 599,
    BODY_BYTES_MAX = 65536,
    TYPE_BYTES_MAX = 255,
    HEADERS_MAX = 32, /* of a page, and of all */
    HEADERS_BYTES_MAX = 4096,
};

/* What a body without a type looks like. */
static struct slice guess_type(struct slice body)
{
    while (body.length > 0 && strchr(" \t\r\n", body.start[0]) != NULL && body.start[0] != '\0')
        body.start++, body.length--;
    if (body.length > 0 && body.start[0] == '<')
        return SLICE("text/html; charset=utf-8");
    if (body.length > 0 && (body.start[0] == '{' || body.start[0] == '['))
        return SLICE("application/json; charset=utf-8");
    return SLICE("text/plain; charset=utf-8");
}

/* It goes into a field as it is (RFC 9110, 5.5 and 8.3). */
static bool is_type(struct slice type)
{
    if (type.length == 0 || type.length > TYPE_BYTES_MAX ||
        slice_trim(type).length != type.length || memchr(type.start, '/', type.length) == NULL)
        return false;
    for (size_t i = 0; i < type.length; i++)
        if (type.start[i] < 0x20 || type.start[i] > 0x7e)
            return false;
    return true;
}

/* --- headers --- */

static const char *header_fault(struct slice name, struct slice value)
{
    static const char *const texts[] = {
        [FIELD_FINE] = NULL,
        [FIELD_BAD_NAME] = "this is no header's name",
        [FIELD_BAD_VALUE] = "a line end or another control byte in it",
        [FIELD_OURS] = "it is set by lb itself",
    };

    if (slice_is_nocase(name, SLICE("content-type")))
        return "the type of a page is a field of its own, as in { type = \"text/html\", body = .. "
               "}";
    return texts[field_check(FIELD_IN_RESPONSE, name, &value)];
}

/* In the order of their names, as Lua has none: what is printed is the same each time. */
static bool add_header(struct config_pairs *headers, struct slice name, struct slice value)
{
    struct config_pair *list, added;
    bool is_twice = false;
    unsigned at = headers->count;

    for (unsigned i = 0; i < at; i++)
        is_twice |= slice_is_nocase(slice_of(headers->list[i].name), name);
    config_add_pair(headers, name, value);
    list = headers->list;
    added = list[at];
    for (; at > 0 && strcmp(list[at - 1].name, added.name) > 0; at--)
        list[at] = list[at - 1];
    list[at] = added;
    return !is_twice;
}

static void read_headers(struct config_pairs *headers, struct fields *parent)
{
    struct fields table;
    struct slice name = {NULL, 0}, value = {"", 0};
    size_t bytes = 0;

    if (!fields_enter(&table, parent, "headers", 0))
        return;
    while (fields_next_pair(&table, &name, &value)) {
        const char *fault = header_fault(name, value);

        bytes += name.length + value.length;
        if (fault != NULL)
            fields_fail(&table, name.start, 0, "%s", fault);
        else if (headers->count == HEADERS_MAX || bytes > HEADERS_BYTES_MAX)
            fields_fail(&table, NULL, 0, "expected %d headers and %d bytes of them at most",
                        HEADERS_MAX, HEADERS_BYTES_MAX);
        else if (!add_header(headers, name, slice_trim(value)))
            fields_fail(&table, name.start, 0, "it is there twice, in two letter cases");
    }
    fields_leave(&table);
}

/* --- pages --- */

static struct config_page *add_page(struct config *config, unsigned status)
{
    struct config_page *page;

    config->pages = mem_realloc(config->pages, (config->pages_count + 1) * sizeof *config->pages);
    page = &config->pages[config->pages_count++];
    *page = (struct config_page){.status = status};
    return page;
}

static void set_body(struct config_page *page, struct slice type, struct slice body)
{
    page->type = mem_copy(type.start, type.length);
    page->body = mem_copy(body.start, body.length);
    page->body_bytes = body.length;
}

static bool check_body(struct fields *table, const char *name, unsigned position, struct slice body)
{
    if (body.length <= BODY_BYTES_MAX)
        return true;
    fields_fail(table, name, position, "expected %d bytes at most, got %zu", BODY_BYTES_MAX,
                body.length);
    return false;
}

static void read_type_and_body(struct config_page *page, struct fields *table)
{
    struct slice type, body;

    if (fields_type(table, "body", 0) == FIELDS_NOTHING &&
        (page->headers.count == 0 || fields_type(table, "type", 0) != FIELDS_NOTHING))
        fields_fail(table, NULL, 0, "the body is missing: body = \"text\"");
    if (!fields_text(table, "body", 0, &body) || !check_body(table, "body", 0, body))
        return;
    if (!fields_text(table, "type", 0, &type))
        type = guess_type(body);
    else if (!is_type(type))
        fields_fail(table, "type", 0,
                    "expected a media type of %d bytes at most, as in \"application/json\"",
                    TYPE_BYTES_MAX);
    set_body(page, type, body);
}

static void read_page_table(struct config_page *page, struct fields *table)
{
    static const char *const known[] = {"type", "body", "headers", NULL};

    if (!fields_check_names(table, known))
        return;
    read_headers(&page->headers, table);
    read_type_and_body(page, table);
}

static void read_page(struct config *config, struct fields *pages, unsigned status)
{
    enum fields_type type = fields_type(pages, NULL, status);
    struct fields page;
    struct slice body;

    if (type == FIELDS_TEXT && fields_text(pages, NULL, status, &body)) {
        if (check_body(pages, NULL, status, body))
            set_body(add_page(config, status), guess_type(body), body);
    } else if (type == FIELDS_TABLE && fields_enter(&page, pages, NULL, status)) {
        read_page_table(add_page(config, status), &page);
        fields_leave(&page);
    } else if (type != FIELDS_NOTHING) {
        fields_expected(pages, NULL, status, "a text, or a table with a type, a body and headers");
    }
}

void pages_read(struct config *config, struct fields *root)
{
    struct fields pages;

    if (!fields_enter(&pages, root, "pages", 0))
        return;
    fields_check_positions(&pages, PAGES_LEAST, PAGES_MOST, "headers",
                           "a status from 400 to 599, or headers, as key, as in [503] = \"text\"");
    read_headers(&config->pages_headers, &pages);
    for (unsigned status = PAGES_LEAST; status <= PAGES_MOST; status++)
        read_page(config, &pages, status);
    fields_leave(&pages);
}
