#include "config/pages.h"

#include "base/mem.h"
#include "lua/fields.h"

enum { BODY_BYTES_MAX = 65536, TYPE_BYTES_MAX = 255 };

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

static void add_page(struct config *config, unsigned status, struct slice type, struct slice body)
{
    config->pages = mem_realloc(config->pages, (config->pages_count + 1) * sizeof *config->pages);
    config->pages[config->pages_count++] =
        (struct config_page){.status = status,
                             .type = mem_copy(type.start, type.length),
                             .body = mem_copy(body.start, body.length),
                             .body_bytes = body.length};
}

static bool check_body(struct fields *table, const char *name, unsigned position, struct slice body)
{
    if (body.length <= BODY_BYTES_MAX)
        return true;
    fields_fail(table, name, position, "expected %d bytes at most, got %zu", BODY_BYTES_MAX,
                body.length);
    return false;
}

static void read_page_table(struct config *config, unsigned status, struct fields *page)
{
    static const char *const known[] = {"type", "body", NULL};
    struct slice type, body;

    if (!fields_check_names(page, known))
        return;
    if (fields_type(page, "body", 0) == FIELDS_NOTHING)
        fields_fail(page, NULL, 0, "the body is missing: body = \"text\"");
    if (!fields_text(page, "body", 0, &body) || !check_body(page, "body", 0, body))
        return;
    if (!fields_text(page, "type", 0, &type))
        type = guess_type(body);
    else if (!is_type(type))
        fields_fail(page, "type", 0,
                    "expected a media type of %d bytes at most, as in \"application/json\"",
                    TYPE_BYTES_MAX);
    if (!page->wrong->is_set)
        add_page(config, status, type, body);
}

static void read_page(struct config *config, struct fields *pages, unsigned status)
{
    enum fields_type type = fields_type(pages, NULL, status);
    struct fields page;
    struct slice body;

    if (type == FIELDS_TEXT && fields_text(pages, NULL, status, &body)) {
        if (check_body(pages, NULL, status, body))
            add_page(config, status, guess_type(body), body);
    } else if (type == FIELDS_TABLE && fields_enter_item(&page, pages, status)) {
        read_page_table(config, status, &page);
        fields_leave(&page);
    } else if (type != FIELDS_NOTHING) {
        fields_expected(pages, NULL, status, "a text, or a table with a type and a body");
    }
}

void pages_read(struct config *config, struct fields *root)
{
    struct fields pages;

    if (!fields_enter(&pages, root, "pages"))
        return;
    fields_check_positions(&pages, PAGES_LEAST, PAGES_MOST,
                           "a status from 400 to 599 as key, as in [503] = \"text\"");
    for (unsigned status = PAGES_LEAST; status <= PAGES_MOST; status++)
        read_page(config, &pages, status);
    fields_leave(&pages);
}
