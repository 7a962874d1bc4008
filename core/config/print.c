/* print - the effective settings, as the script that would give them. */
#include "config/admin.h"
#include "config/logging.h"
#include "config/probes.h"
#include "config/remotes.h"
#include "config/settings.h"
#include "config/sources.h"
#include "config/tls.h"
#include "config/tracing.h"

#include <inttypes.h>

/* --- the pieces --- */

void config_print_text(struct buffer *out, struct slice text)
{
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.start[i];

        if (c == '"' || c == '\\')
            buffer_append_byte(out, '\\');
        if (c == '\n')
            buffer_append_text(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buffer_printf(out, "\\%03u", c);
        else
            buffer_append_byte(out, (char)c);
    }
    buffer_append_byte(out, '"');
}

static void print_text(struct buffer *out, const char *text)
{
    config_print_text(out, slice_of(text));
}

static void print_pairs(struct buffer *out, const char *name, const struct config_pairs *pairs)
{
    buffer_printf(out, "%s = { ", name);
    for (unsigned i = 0; i < pairs->count; i++) {
        buffer_append_text(out, i > 0 ? ", [" : "[");
        print_text(out, pairs->list[i].name);
        buffer_append_text(out, "] = ");
        print_text(out, pairs->list[i].value);
    }
    buffer_append_text(out, " }");
}

static void print_backend(struct buffer *out, const struct config *config,
                          const struct config_backend *backend)
{
    buffer_append_text(out, "    { name = ");
    print_text(out, backend->name);
    buffer_append_text(out, ", address = ");
    print_text(out, backend->written);
    buffer_printf(out, ", weight = %u", backend->weight);
    if (backend->max_in_flight > 0)
        buffer_printf(out, ", max_in_flight = %u", backend->max_in_flight);
    if (backend->tags.count > 0)
        print_pairs(out, ", tags", &backend->tags);
    remotes_print(config, backend, out);
    buffer_append_text(out, " },\n");
}

static void print_listen(struct buffer *out, const struct config_listen *listen)
{
    bool is_table = listen->proxy || listen->tls || listen->h2c;

    buffer_append_text(out, is_table ? "{ " : "");
    print_text(out, listen->written);
    buffer_append_text(out, listen->proxy ? ", proxy = true" : "");
    buffer_append_text(out, listen->tls ? ", tls = true" : "");
    buffer_append_text(out, listen->h2c ? ", h2c = true" : "");
    buffer_append_text(out, is_table ? " }" : "");
}

static void print_addresses(struct buffer *out, const struct config *config)
{
    buffer_append_text(out, "  listen = { ");
    for (unsigned i = 0; i < config->listen_count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        print_listen(out, &config->listen[i]);
    }
    buffer_append_text(out, " },\n  backends = {\n");
    for (unsigned i = 0; i < config->backends_count; i++)
        print_backend(out, config, &config->backends[i]);
    for (unsigned i = 0; i < config->sources_count; i++) {
        buffer_append_text(out, "    ");
        print_text(out, config->sources[i].text);
        buffer_append_text(out, ",\n");
    }
    buffer_append_text(out, "  },\n");
}

static void print_trusted(struct buffer *out, const struct config *config)
{
    buffer_append_text(out, "  trusted_proxies = {");
    for (unsigned i = 0; i < config->trusted_proxies_count; i++) {
        buffer_append_text(out, i > 0 ? ", \"" : " \"");
        network_format(out, &config->trusted_proxies[i]);
        buffer_append_text(out, "\"");
    }
    buffer_printf(out, "%s},\n  forwarded = %s,\n  trace = %s,\n  via = %s,\n  reuse = \"%s\",\n",
                  config->trusted_proxies_count > 0 ? " " : "",
                  config->forwarded ? "true" : "false", config->trace ? "true" : "false",
                  config->via ? "true" : "false",
                  config->reuse == CONFIG_REUSE_ALL ? "all" : "safe");
}

static void print_page(struct buffer *out, const struct config_page *page)
{
    buffer_printf(out, "    [%u] = { ", page->status);
    if (page->body != NULL) {
        buffer_append_text(out, "type = ");
        print_text(out, page->type);
        buffer_append_text(out, ", body = ");
        config_print_text(out, (struct slice){page->body, page->body_bytes});
    }
    if (page->headers.count > 0)
        print_pairs(out, page->body != NULL ? ", headers" : "headers", &page->headers);
    buffer_append_text(out, " },\n");
}

static void print_pages(struct buffer *out, const struct config *config)
{
    buffer_append_text(out, "  pages = {\n");
    if (config->pages_headers.count > 0) {
        print_pairs(out, "    headers", &config->pages_headers);
        buffer_append_text(out, ",\n");
    }
    for (unsigned i = 0; i < config->pages_count; i++)
        print_page(out, &config->pages[i]);
    buffer_append_text(out, "  },\n");
}

static void print_setting(struct buffer *out, const struct config *config,
                          const struct setting *setting)
{
    double value = setting_get(config, setting);

    if (setting->kind == SETTING_FLAG)
        buffer_printf(out, "    %s = %s,", setting->name, value != 0 ? "true" : "false");
    else
        buffer_printf(out, "    %s = %.15g,", setting->name, value);
    if (setting->offset == offsetof(struct config, limits.memory))
        buffer_printf(out, " -- %" PRIu64 " for each worker", config_memory_part(config));
    buffer_append_byte(out, '\n');
}

static void print_group(struct buffer *out, const struct config *config,
                        const struct settings_group *group)
{
    buffer_printf(out, "  %s = {\n", group->name);
    if (strcmp(group->name, "health") == 0)
        probes_print(&config->health, out);
    for (unsigned i = 0; i < group->count; i++)
        print_setting(out, config, &group->settings[i]);
    if (strcmp(group->name, "discovery") == 0)
        sources_print(config, out);
    buffer_append_text(out, "  },\n");
}

/* --- the whole --- */

void config_print(const struct config *config, struct buffer *out)
{
    buffer_append_text(out, "return {\n");
    print_addresses(out, config);
    if (config->workers_auto)
        buffer_printf(out, "  workers = \"auto\", -- %u here\n", config->workers);
    else
        buffer_printf(out, "  workers = %u,\n", config->workers);
    buffer_printf(out, "  fallback = \"%s\",\n  body_first = \"%s\",\n",
                  config_fallback_names[config->fallback],
                  config_body_first_names[config->body_first]);
    print_trusted(out, config);
    tls_print(config, out);
    print_pages(out, config);
    logging_print(config, out);
    admin_print(&config->admin, out);
    tracing_print(&config->tracing, out);
    for (unsigned i = 0; i < SETTINGS_GROUPS; i++)
        print_group(out, config, &settings_groups[i]);
    buffer_printf(out, "  -- choose: %s\n",
                  config->has_choose ? "the script's" : "none, so the built-in round robin");
    buffer_printf(out, "  -- on_failure: %s\n",
                  config->has_on_failure ? "the script's" : "none, so the built-in rule");
    if (config->has_on_response)
        buffer_append_text(out, "  -- on_response: the script's\n");
    buffer_printf(out, "  -- on_health: %s\n", config->has_on_health ? "the script's" : "none");
    if (config->has_on_done)
        buffer_append_text(out, "  -- on_done: the script's\n");
    buffer_printf(out, "  -- init: %s\n}\n", config->has_init ? "the script's" : "none");
}
