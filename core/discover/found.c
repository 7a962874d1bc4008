#include "discover/found.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "net/address.h"
#include "shared/slots.h"

#include <stdlib.h>

enum { SHOWN_BYTES_MAX = 80 };

void found_init(struct found_list *all)
{
    *all = (struct found_list){0};
    arena_init(&all->arena, NULL, 0);
}

void found_dispose(struct found_list *all)
{
    arena_dispose(&all->arena);
    mem_free(all->list);
    found_init(all);
}

/* --- checks --- */

static int shown(struct slice text)
{
    return text.length < SHOWN_BYTES_MAX ? (int)text.length : SHOWN_BYTES_MAX;
}

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.start[i] < 0x20 || text.start[i] == 0x7f)
            return false;
    return utf8_prefix(text) == text.length;
}

static bool check_text(struct slice text, size_t most, const char *what, struct buffer *wrong)
{
    if (text.length <= most && is_printable(text))
        return true;
    buffer_printf(wrong, "%s has %zu bytes of UTF-8 at most, and no control bytes", what, most);
    return false;
}

/* As in a roster_entry: "name":"value", with commas. Quotes and backslashes take two bytes. */
static size_t json_bytes(struct slice text)
{
    size_t bytes = text.length + 2;

    for (size_t i = 0; i < text.length; i++)
        bytes += text.start[i] == '"' || text.start[i] == '\\';
    return bytes;
}

static bool check_tags(const struct found *f, struct buffer *wrong)
{
    size_t bytes = 0;

    if (f->tags_count > FOUND_TAGS_MAX) {
        buffer_printf(wrong, "%u tags: %d at most", f->tags_count, FOUND_TAGS_MAX);
        return false;
    }
    for (unsigned i = 0; i < f->tags_count; i++) {
        const struct found_tag *tag = &f->tags[i];

        if (tag->name.length == 0) {
            buffer_append_text(wrong, "a tag without a name");
            return false;
        }
        if (!check_text(tag->name, FOUND_TAG_NAME_BYTES_MAX, "the name of a tag", wrong) ||
            !check_text(tag->value, FOUND_TAGS_BYTES_MAX, "a tag", wrong))
            return false;
        bytes += json_bytes(tag->name) + json_bytes(tag->value) + 2;
    }
    if (bytes <= FOUND_TAGS_BYTES_MAX)
        return true;
    buffer_printf(wrong, "its tags have %zu bytes as JSON: %d at most", bytes,
                  FOUND_TAGS_BYTES_MAX);
    return false;
}

static bool check_number(uint32_t number, uint32_t most, const char *what, struct buffer *wrong)
{
    if (number <= most)
        return true;
    buffer_printf(wrong, "%s %u: %u at most", what, number, most);
    return false;
}

/* TLS has rules, which are the script's (tls.remotes). */
static bool check_address(struct slice text, struct buffer *wrong)
{
    bool is_h2c = slice_begins_nocase(text, SLICE("h2c://"));
    struct address address;
    const char *words;

    if (!check_text(text, FOUND_ADDRESS_BYTES_MAX, "an address", wrong))
        return false;
    if (slice_begins_nocase(text, SLICE("https://")) || slice_begins_nocase(text, SLICE("h2://")))
        words = "a list has no backends with TLS";
    else
        words = address_parse(&address, is_h2c ? slice_from(text, 6) : text, false);
    if (words == NULL && address.kind == ADDRESS_UNIX)
        words = "a list has no unix sockets";
    if (words == NULL)
        return true;
    buffer_printf(wrong, "address '%.*s': %s", shown(text), text.start, words);
    return false;
}

static bool check_name(struct slice name, struct buffer *wrong)
{
    if (!check_text(name, FOUND_NAME_BYTES_MAX, "a name", wrong))
        return false;
    if (slice_is_dots(name))
        buffer_append_text(wrong, "'.' and '..' are no names: no URL has them");
    return !slice_is_dots(name);
}

static bool check_entry(const struct found *f, struct buffer *wrong)
{
    return check_address(f->address, wrong) && check_name(f->name, wrong) &&
           check_number(f->weight, FOUND_WEIGHT_MAX, "weight", wrong) &&
           check_number(f->priority, FOUND_PRIORITY_MAX, "priority", wrong) && check_tags(f, wrong);
}

/* --- lists --- */

static struct found *grow(struct found_list *all)
{
    unsigned count = all->count;

    if ((count & (count - 1)) == 0)
        all->list = mem_realloc(all->list, (count > 0 ? 2 * count : 1) * sizeof *all->list);
    return &all->list[all->count++];
}

struct found *found_copy(struct found_list *all, const struct found *f)
{
    struct found_tag *tags = NULL;
    struct found *copy = grow(all);

    *copy = *f;
    copy->address = arena_copy(&all->arena, f->address);
    copy->name = f->name.length > 0 ? arena_copy(&all->arena, f->name) : copy->address;
    if (f->tags_count > 0)
        tags = arena_alloc(&all->arena, f->tags_count * sizeof *tags);
    for (unsigned i = 0; i < f->tags_count; i++)
        tags[i] = (struct found_tag){arena_copy(&all->arena, f->tags[i].name),
                                     arena_copy(&all->arena, f->tags[i].value)};
    copy->tags = tags;
    copy->identity = slots_identity(copy->name.start, copy->address.start);
    return copy;
}

bool found_add(struct found_list *all, const struct found *f, struct buffer *wrong)
{
    struct buffer words = {0};
    struct found *copy;

    if (all->count == FOUND_MAX)
        buffer_printf(&words, "too many: %d at most", FOUND_MAX);
    else if (check_entry(f, &words)) {
        copy = found_copy(all, f);
        copy->is_held = copy->is_fresh = false;
        copy->missed = 0;
        return true;
    }
    buffer_printf(wrong, "entry %u: ", all->count + 1);
    buffer_append(wrong, buffer_slice(&words));
    buffer_dispose(&words);
    return false;
}

bool found_add_socket(struct found_list *all, const struct sockaddr *socket, const struct found *f,
                      struct buffer *wrong)
{
    struct found entry = *f;
    struct buffer text = {0};
    bool is_added;

    address_format(&text, socket);
    entry.address = buffer_slice(&text);
    is_added = found_add(all, &entry, wrong);
    buffer_dispose(&text);
    return is_added;
}

static int compare_names(const void *a, const void *b)
{
    const struct found *const *x = a, *const *y = b;
    int order = strcmp((*x)->name.start, (*y)->name.start);

    return order != 0 ? order : (*x > *y) - (*x < *y);
}

/* The first one that has the name of one before it is told. */
bool found_check(const struct found_list *all, struct buffer *wrong)
{
    const struct found **sorted = mem_alloc((all->count + 1) * sizeof *sorted);
    const struct found *twice = NULL;

    for (unsigned i = 0; i < all->count; i++)
        sorted[i] = &all->list[i];
    qsort(sorted, all->count, sizeof *sorted, compare_names);
    for (unsigned i = 1; i < all->count; i++)
        if (slice_is(sorted[i]->name, sorted[i - 1]->name) && (twice == NULL || sorted[i] < twice))
            twice = sorted[i];
    if (twice != NULL)
        buffer_printf(wrong, "entry %u: a second one is called '%.*s'",
                      (unsigned)(twice - all->list) + 1, shown(twice->name), twice->name.start);
    mem_free(sorted);
    return twice == NULL;
}
