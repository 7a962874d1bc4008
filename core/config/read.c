#include "config/read.h"

#include "base/mem.h"
#include "config/addresses.h"
#include "config/admin.h"
#include "config/groups.h"
#include "config/habits.h"
#include "config/logging.h"
#include "config/pages.h"
#include "config/remotes.h"
#include "config/tls.h"
#include "config/tracing.h"
#include "http/head.h"
#include "lua/fields.h"
#include "shared/segment.h"

enum { TAGS_MAX = 32, WEIGHT_MAX = 65535, IN_FLIGHT_MAX = 1000000 };

static const char not_in_list[] =
    "an address with options is a table in the list: { { \"%s\", %s = true } }";

/* What is wrong with a field, in words that have been collected. */
static void fail_with_words(struct fields *table, const char *name, unsigned position,
                            struct buffer *words)
{
    fields_fail(table, name, position, "%s", buffer_text(words));
    buffer_dispose(words);
}

/* --- workers --- */

static bool set_workers(struct config *config, double number)
{
    if (!(number >= 1 && number <= SEGMENT_WORKERS_MAX && number == (double)(unsigned)number))
        return false;
    config->workers = (unsigned)number;
    config->workers_auto = false;
    return true;
}

/* "auto", "8": options and os.getenv give texts. */
static bool set_workers_text(struct config *config, struct slice text)
{
    uint64_t number;

    text = slice_trim_lines(text);
    if (slice_is(text, SLICE("auto"))) {
        config->workers = config_cpus();
        config->workers_auto = true;
        return true;
    }
    return number_read(text, &number) && set_workers(config, (double)number);
}

static void read_workers(struct config *config, struct fields *root)
{
    static const struct fields_range any = {-1e300, 1e300, false, false, NULL};
    enum fields_type type = fields_type(root, "workers", 0);
    struct slice text;
    double number;

    if (type == FIELDS_TEXT && fields_text(root, "workers", 0, &text)) {
        if (!set_workers_text(config, text))
            fields_fail(root, "workers", 0, "expected 'auto' or 1 to %d, got '%.*s'",
                        SEGMENT_WORKERS_MAX, text.length > 40 ? 40 : (int)text.length, text.start);
    } else if (type == FIELDS_NUMBER && fields_number(root, "workers", 0, &any, &number)) {
        if (!set_workers(config, number))
            fields_fail(root, "workers", 0,
                        "expected 'auto' or a whole number from 1 to %d, got %.15g",
                        SEGMENT_WORKERS_MAX, number);
    } else if (type != FIELDS_NOTHING && type != FIELDS_NUMBER) {
        fields_expected(root, "workers", 0, "'auto' or a whole number");
    }
}

/* --- what options and environment give --- */

static bool take_lists(struct config *config, const struct config_given *given,
                       struct buffer *words, const char **source)
{
    *source = given->listen.source;
    for (unsigned i = 0; i < given->listen.count; i++)
        if (!addresses_add_given_listen(config, slice_of(given->listen.list[i]), words))
            return false;
    *source = given->backends.source;
    for (unsigned i = 0; i < given->backends.count; i++)
        if (!addresses_add_backends(config, slice_of(given->backends.list[i]), words))
            return false;
    return true;
}

bool read_given(struct config *config, const struct config_given *given, struct buffer *wrong)
{
    struct buffer words = {0};
    const char *workers = given->workers.text, *source;
    bool is_fine = take_lists(config, given, &words, &source);

    if (is_fine && workers != NULL && !set_workers_text(config, slice_of(workers))) {
        is_fine = false;
        source = given->workers.source;
        buffer_printf(&words, "expected 'auto' or 1 to %d, got '%.40s'", SEGMENT_WORKERS_MAX,
                      workers);
    }
    if (!is_fine)
        buffer_printf(wrong, "%s: %s", source != NULL ? source : "option", buffer_text(&words));
    buffer_dispose(&words);
    return is_fine;
}

/* --- addresses --- */

typedef bool add_text(struct config *, struct slice text, struct buffer *wrong);

static void read_text(struct config *config, struct fields *table, const char *name,
                      unsigned position, add_text *add)
{
    struct buffer words = {0};
    struct slice text;

    if (fields_text(table, name, position, &text) && !add(config, text, &words))
        fail_with_words(table, name, position, &words);
}

static void read_trusted(void *config, struct fields *table, const char *name, unsigned position)
{
    read_text(config, table, name, position, addresses_add_trusted);
}

/* { address, option = value }. */
static void read_listener(struct config *config, struct fields *list, unsigned position)
{
    static const char *const known[] = {"proxy", "tls", "h2c", NULL};
    unsigned first = config->listen_count;
    bool proxy = false, tls = false, h2c = false;
    struct fields entry;

    if (!fields_enter(&entry, list, NULL, position))
        return;
    fields_check_entry(&entry, known);
    if (fields_type(&entry, NULL, 1) == FIELDS_NOTHING)
        fields_fail(&entry, NULL, 0, "the address is missing: { \":80\", proxy = true }");
    read_text(config, &entry, NULL, 1, addresses_add_listen);
    fields_flag(&entry, "proxy", &proxy);
    fields_flag(&entry, "tls", &tls);
    fields_flag(&entry, "h2c", &h2c);
    if (tls && h2c)
        fields_fail(&entry, "h2c", 0, "HTTP/2 over TLS needs no h2c: leave it out");
    for (unsigned i = first; i < config->listen_count; i++) {
        config->listen[i].proxy = proxy;
        config->listen[i].tls = tls;
        config->listen[i].h2c = h2c;
    }
    fields_leave(&entry);
}

static void read_listen_item(struct config *config, struct fields *list, unsigned position)
{
    enum fields_type type = fields_type(list, NULL, position);

    if (type == FIELDS_TABLE)
        read_listener(config, list, position);
    else if (type == FIELDS_TEXT)
        read_text(config, list, NULL, position, addresses_add_listen);
    else if (type != FIELDS_NOTHING)
        fields_expected(list, NULL, position, "an address, as in \":3030\", or a table with one");
}

static void read_listen_list(struct config *config, struct fields *root)
{
    struct fields list;
    unsigned count;

    if (!fields_enter(&list, root, "listen", 0))
        return;
    if (fields_type(&list, "proxy", 0) != FIELDS_NOTHING)
        fields_fail(root, "listen", 0, not_in_list, ":80", "proxy");
    if (fields_type(&list, "tls", 0) != FIELDS_NOTHING)
        fields_fail(root, "listen", 0, not_in_list, ":443", "tls");
    if (fields_type(&list, "h2c", 0) != FIELDS_NOTHING)
        fields_fail(root, "listen", 0, not_in_list, ":80", "h2c");
    count = fields_count(&list, ADDRESSES_LISTEN_MAX);
    for (unsigned i = 1; i <= count; i++)
        read_listen_item(config, &list, i);
    fields_leave(&list);
}

static void read_listen(struct config *config, struct fields *root)
{
    enum fields_type type = fields_type(root, "listen", 0);

    if (type == FIELDS_TEXT)
        read_text(config, root, "listen", 0, addresses_add_listen);
    else if (type == FIELDS_TABLE)
        read_listen_list(config, root);
    else if (type == FIELDS_NUMBER)
        fields_expected(root, "listen", 0, "an address, as in \":3030\", or a list of addresses");
    else if (type != FIELDS_NOTHING)
        fields_expected(root, "listen", 0, "an address or a list of addresses");
    if (config->listen_count == 0 && !root->wrong->is_set) {
        struct buffer words = {0};

        if (!addresses_add_listen(config, SLICE("0.0.0.0:3030"), &words))
            fail_with_words(root, "listen", 0, &words);
    }
}

/* --- backends --- */

static void read_tags(struct config_backend *backend, struct fields *entry)
{
    struct fields tags;
    struct slice key = {NULL, 0}, value;

    if (!fields_enter(&tags, entry, "tags", 0))
        return;
    while (fields_next_pair(&tags, &key, &value)) {
        if (backend->tags.count == TAGS_MAX)
            fields_fail(&tags, NULL, 0, "expected %d tags at most", TAGS_MAX);
        else if (memchr(key.start, '\0', key.length) != NULL)
            fields_fail(&tags, NULL, 0, "a tag has no NUL byte in it");
        else if (value.length > 0 && memchr(value.start, '\0', value.length) != NULL)
            fields_fail(&tags, key.start, 0, "a tag has no NUL byte in it");
        else
            config_add_pair(&backend->tags, key, value);
    }
    fields_leave(&tags);
}

static void read_count(struct fields *entry, const char *name, double least, double most,
                       uint32_t *out)
{
    const struct fields_range range = {least, most, false, true, NULL};
    double number;

    if (fields_number(entry, name, 0, &range, &number))
        *out = (uint32_t)number;
}

static void read_backend_table(struct config *config, struct fields *entry)
{
    static const char *const known[] = {"address",       "name", "weight", "tags",
                                        "max_in_flight", "tls",  NULL};
    struct slice address, name = {"", 0};
    struct config_backend *backend;
    struct buffer words = {0};

    if (!fields_check_names(entry, known))
        return;
    if (fields_type(entry, "address", 0) == FIELDS_NOTHING)
        fields_fail(entry, NULL, 0, "the address is missing: address = \"host:port\"");
    if (fields_text(entry, "name", 0, &name) && name.length == 0)
        fields_fail(entry, "name", 0, "expected a name, got an empty string");
    if (!fields_text(entry, "address", 0, &address))
        return;
    if (name.length > 0 && !addresses_check_name(config, name, &words)) {
        fail_with_words(entry, "name", 0, &words);
        return;
    }
    backend = addresses_add_backend(config, address, name, &words);
    if (backend == NULL) {
        fail_with_words(entry, "address", 0, &words);
        return;
    }
    read_count(entry, "weight", 0, WEIGHT_MAX, &backend->weight);
    read_count(entry, "max_in_flight", 0, IN_FLIGHT_MAX, &backend->max_in_flight);
    read_tags(backend, entry);
    remotes_read(config, entry, backend);
}

static void read_backend(struct config *config, struct fields *list, unsigned position)
{
    enum fields_type type = fields_type(list, NULL, position);
    struct buffer words = {0};
    struct fields entry;
    struct slice text;

    if (type == FIELDS_TEXT && fields_text(list, NULL, position, &text)) {
        if (!addresses_add_backend_text(config, text, &words))
            fail_with_words(list, NULL, position, &words);
    } else if (type == FIELDS_TABLE && fields_enter(&entry, list, NULL, position)) {
        read_backend_table(config, &entry);
        fields_leave(&entry);
    } else if (type != FIELDS_NOTHING) {
        fields_expected(list, NULL, position, "an address or a table with an address");
    }
}

static void read_backend_list(struct config *config, struct fields *root)
{
    struct fields list;
    unsigned count;

    if (!fields_enter(&list, root, "backends", 0))
        return;
    if (fields_type(&list, "address", 0) != FIELDS_NOTHING)
        fields_fail(root, "backends", 0, "expected a list of backends: { { address = ... } }");
    count = fields_count(&list, SEGMENT_BACKENDS_MAX);
    for (unsigned i = 1; i <= count && !root->wrong->is_set; i++)
        read_backend(config, &list, i);
    fields_leave(&list);
}

static void read_backends(struct config *config, struct fields *root)
{
    enum fields_type type = fields_type(root, "backends", 0);

    if (type == FIELDS_TEXT)
        read_text(config, root, "backends", 0, addresses_add_backends);
    else if (type == FIELDS_TABLE)
        read_backend_list(config, root);
    else if (type != FIELDS_NOTHING)
        fields_expected(root, "backends", 0, "addresses or a list of backends");
}

/* --- the script's own table --- */

static void read_choices(struct config *config, struct fields *root)
{
    static const char *const reuses[] = {"safe", "all", NULL};
    unsigned which;

    config->has_fallback = fields_choice(root, "fallback", config_fallback_names, &which);
    if (config->has_fallback)
        config->fallback = which;
    if (fields_choice(root, "body_first", config_body_first_names, &which))
        config->body_first = which;
    if (fields_choice(root, "reuse", reuses, &which))
        config->reuse = which;
}

/* A PROXY header says whose connection it is: only the proxy in front may say that. */
static void check_proxied(const struct config *config, struct fields *root)
{
    for (unsigned i = 0; i < config->listen_count; i++)
        if (config->listen[i].proxy && config->trusted_proxies_count == 0)
            fields_fail(root, "listen", 0,
                        "proxy = true needs the addresses whose PROXY headers are believed: "
                        "trusted_proxies = { \"10.0.0.0/8\" }");
}

/* choose = require "p2c_ewma": that is a script's table, which has the hook. */
static bool read_hook(struct fields *root, const char *name)
{
    struct fields table;

    if (fields_type(root, name, 0) == FIELDS_TABLE && fields_enter(&table, root, name, 0)) {
        bool has_hook = fields_type(&table, name, 0) == FIELDS_FUNCTION;

        fields_leave(&table);
        if (has_hook) {
            fields_fail(root, name, 0,
                        "expected a function, got a table that has one: write .%s behind it, as in "
                        "(require \"round_robin\").%s",
                        name, name);
            return false;
        }
    }
    return fields_function(root, name);
}

/* A setting that the table has, but options or environment give. */
static void note_one(struct buffer *out, struct fields *root, const char *name, const char *source)
{
    enum fields_type type = fields_type(root, name, 0);

    if (source == NULL || type == FIELDS_NOTHING)
        return;
    buffer_printf(out, "%s%s by %s", buffer_length(out) > 0 ? ", " : "", name, source);
    if (type == FIELDS_TABLE && strcmp(name, "backends") == 0)
        buffer_append_text(out, " without the script's names, weights and tags");
}

static void note_overridden(struct config *config, const struct config_given *given,
                            struct fields *root)
{
    struct buffer text = {0};

    note_one(&text, root, "listen", given->listen.source);
    note_one(&text, root, "backends", given->backends.source);
    note_one(&text, root, "workers", given->workers.source);
    if (buffer_length(&text) > 0)
        config->overridden = mem_copy(buffer_slice(&text).start, buffer_length(&text));
    buffer_dispose(&text);
}

static void read_hooks(struct config *config, struct fields *root)
{
    config->has_init = read_hook(root, "init");
    config->has_on_failure = read_hook(root, "on_failure");
    config->has_choose = read_hook(root, "choose");
    config->has_on_response = read_hook(root, "on_response");
    config->has_on_health = read_hook(root, "on_health");
    config->has_on_done = read_hook(root, "on_done");
}

void read_settings(struct config *config, const struct config_given *given, struct fields *root)
{
    static const char *const known[] = {
        "listen",    "backends", "workers", "fallback",   "trusted_proxies",
        "forwarded", "pages",    "health",  "timeouts",   "limits",
        "script",    "init",     "choose",  "on_failure", "on_response",
        "on_health", "on_done",  "trace",   "body_first", "reuse",
        "via",       "log",      "tls",     "h2",         "admin",
        "drain",     "tracing",  "explain", "discovery",  NULL};

    habits_check_settings(root);
    fields_check_names(root, known);
    note_overridden(config, given, root);
    if (given->listen.count == 0)
        read_listen(config, root);
    tls_read(config, root, given->listen.count > 0 ? given->listen.source : NULL);
    if (given->backends.count == 0)
        read_backends(config, root);
    if (given->workers.text == NULL)
        read_workers(config, root);
    read_choices(config, root);
    fields_texts(root, "trusted_proxies", ADDRESSES_TRUSTED_MAX, read_trusted, config,
                 "an address, a network or a list of them");
    check_proxied(config, root);
    fields_flag(root, "forwarded", &config->forwarded);
    fields_flag(root, "trace", &config->trace);
    fields_flag(root, "via", &config->via);
    pages_read(config, root);
    logging_read(config, given, root);
    admin_read(&config->admin, root);
    tracing_read(&config->tracing, root);
    groups_read(config, root);
    read_hooks(config, root);
    if (config->backends_count == 0 && config->sources_count == 0 && !config->has_choose)
        fields_fail(root, NULL, 0,
                    "no backends: set backends = \"host:port, host:port\", or use --backend");
}
