#include "config/logging.h"

#include "base/file.h"
#include "base/mem.h"
#include "http/path.h"
#include "http/syntax.h"
#include "lua/fields.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

enum {
    HEADERS_MAX = 16,
    NAME_BYTES_MAX = 64,
    SKIP_MAX = 64,
    SKIPPED_BYTES_MAX = 4096, /* a longer path has its line */
};

/* In the order of enum config_log_format, whose first one has no name. */
static const char *const formats[] = {"text", "json", NULL};

/* --- the file --- */

static char *absolute(struct slice path)
{
    char here[PATH_MAX];
    struct buffer whole = {0};
    char *text;

    if (path.start[0] == '/' || getcwd(here, sizeof here) == NULL)
        return mem_copy(path.start, path.length);
    buffer_printf(&whole, "%s/%.*s", here, (int)path.length, path.start);
    text = mem_copy(buffer_slice(&whole).start, buffer_length(&whole));
    buffer_dispose(&whole);
    return text;
}

static const char *objection_to_file(struct slice path)
{
    const char *objection = file_objection_to(path);

    if (objection == NULL && path.start[path.length - 1] == '/')
        return "expected the path of a file, got that of a folder";
    return objection;
}

static void read_file(struct config_log *log, struct fields *table)
{
    const char *objection;
    struct slice path;

    if (!fields_text(table, "file", 0, &path))
        return;
    objection = objection_to_file(path);
    if (objection != NULL)
        fields_fail(table, "file", 0, "%s", objection);
    else
        log->file = absolute(path);
}

/* --- the lists --- */

static char **add_copy(char **list, unsigned *count, struct slice text)
{
    list = mem_realloc(list, (*count + 1) * sizeof *list);
    list[(*count)++] = mem_copy(text.start, text.length);
    return list;
}

static bool has(char *const *list, unsigned count, const char *text)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(list[i], text) == 0)
            return true;
    return false;
}

static void read_header_name(void *owner, struct fields *table, const char *name, unsigned position)
{
    struct config_log *log = owner;
    struct slice text;
    char *added;

    if (!fields_text(table, name, position, &text))
        return;
    if (!is_token(text) || text.length > NAME_BYTES_MAX) {
        fields_fail(table, name, position,
                    "expected the name of a header field, as in \"user-agent\", got '%.*s'",
                    text.length > 40 ? 40 : (int)text.length, text.start);
        return;
    }
    log->headers = add_copy(log->headers, &log->headers_count, text);
    added = log->headers[log->headers_count - 1];
    for (char *c = added; *c != '\0'; c++)
        *c = ascii_lower(*c);
    if (has(log->headers, log->headers_count - 1, added))
        fields_fail(table, name, position, "'%s' is there twice", added);
}

static const char *objection_to_path(struct slice path)
{
    if (slice_is(path, SLICE("*"))) /* of OPTIONS */
        return NULL;
    if (path.length == 0 || path.start[0] != '/')
        return "expected a path that begins with '/', as in \"/healthz\"";
    if (memchr(path.start, '*', path.length) != NULL)
        return "'*' is no wildcard: a path that ends with '/', as \"/static/\", is all below it";
    for (size_t i = 0; i < path.length; i++)
        if (path.start[i] <= ' ' || path.start[i] > '~' || path.start[i] == '?' ||
            path.start[i] == '#')
            return "expected a path as clients send it: without spaces, a query, '#' and what is "
                   "beyond ASCII";
    return NULL;
}

static void read_skipped(void *owner, struct fields *table, const char *name, unsigned position)
{
    struct config_log *log = owner;
    const char *objection;
    struct slice path;

    if (!fields_text(table, name, position, &path))
        return;
    objection = objection_to_path(path);
    if (objection != NULL)
        fields_fail(table, name, position, "%s", objection);
    else
        log->skip = add_copy(log->skip, &log->skip_count, path);
}

/* --- all of it --- */

static void read_table(struct config_log *log, struct fields *root)
{
    static const char *const known[] = {"file", "format", "headers", "host", "skip", NULL};
    struct fields table;
    unsigned which;

    if (!fields_enter(&table, root, "log", 0))
        return;
    fields_check_names(&table, known);
    read_file(log, &table);
    if (fields_choice(&table, "format", formats, &which))
        log->format = CONFIG_LOG_TEXT + which;
    fields_texts(&table, "headers", HEADERS_MAX, read_header_name, log,
                 "the name of a header field or a list of them");
    fields_flag(&table, "host", &log->host);
    fields_texts(&table, "skip", SKIP_MAX, read_skipped, log, "a path or a list of them");
    fields_leave(&table);
}

void logging_read(struct config *config, const struct config_given *given, struct fields *root)
{
    struct config_log *log = &config->log;

    read_table(log, root);
    if (given->log_format.text == NULL)
        return;
    log->format = strcmp(given->log_format.text, "json") == 0 ? CONFIG_LOG_JSON : CONFIG_LOG_TEXT;
    log->format_source = given->log_format.source;
}

static void print_list(struct buffer *out, const char *name, char *const *list, unsigned count)
{
    buffer_printf(out, "    %s = {", name);
    for (unsigned i = 0; i < count; i++) {
        buffer_append_text(out, i > 0 ? ", " : " ");
        config_print_text(out, slice_of(list[i]));
    }
    buffer_append_text(out, count > 0 ? " },\n" : "},\n");
}

void logging_print(const struct config *config, struct buffer *out)
{
    const struct config_log *log = &config->log;

    buffer_append_text(out, "  log = {\n");
    if (log->file != NULL) {
        buffer_append_text(out, "    file = ");
        config_print_text(out, slice_of(log->file));
        buffer_append_text(out, ",\n");
    }
    if (log->format == CONFIG_LOG_BY_STREAM)
        buffer_append_text(out, "    -- format: text on a terminal, else json\n");
    else
        buffer_printf(out, "    format = \"%s\",", formats[log->format - CONFIG_LOG_TEXT]);
    if (log->format_source != NULL)
        buffer_printf(out, " -- by %s", log->format_source);
    if (log->format != CONFIG_LOG_BY_STREAM)
        buffer_append_byte(out, '\n');
    print_list(out, "headers", log->headers, log->headers_count);
    buffer_printf(out, "    host = %s,\n", log->host ? "true" : "false");
    print_list(out, "skip", log->skip, log->skip_count);
    buffer_append_text(out, "  },\n");
}

/* Is the path below that folder for all servers? "/static/../admin" is not. */
static bool is_below(struct slice path, struct slice folder)
{
    char room[SKIPPED_BYTES_MAX + 1];
    struct slice rest = {path.start + folder.length - 1, path.length - folder.length + 1};
    size_t length;

    return path.length > folder.length && path.length <= SKIPPED_BYTES_MAX &&
           memcmp(path.start, folder.start, folder.length) == 0 &&
           path_clean(rest, room, &length) == NULL;
}

bool logging_skips(const struct config_log *log, struct slice path)
{
    for (unsigned i = 0; i < log->skip_count; i++) {
        struct slice skipped = slice_of(log->skip[i]);
        bool is_folder = skipped.length > 1 && skipped.start[skipped.length - 1] == '/';

        if (slice_is(path, skipped) || (is_folder && is_below(path, skipped)))
            return true;
    }
    return false;
}
