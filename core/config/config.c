#include "config/config.h"

#include "base/mem.h"
#include "config/cgroup.h"
#include "config/logging.h"
#include "config/probes.h"
#include "config/settings.h"
#include "shared/segment.h"

#include <inttypes.h>
#include <math.h>
#include <sched.h>

/* --- made and gone --- */

struct config *config_new(void)
{
    struct config *config = mem_zalloc(sizeof *config);

    for (unsigned i = 0; i < SETTINGS_GROUPS; i++)
        for (unsigned j = 0; j < settings_groups[i].count; j++)
            setting_set(config, &settings_groups[i].settings[j],
                        settings_groups[i].settings[j].standard);
    config->via = true;
    probes_set_defaults(&config->health);
    config->fallback = CONFIG_FALLBACK_ROUND_ROBIN;
    config->body_first = CONFIG_BODY_FIRST_LIMITED;
    config->workers_auto = true;
    config->workers = config_cpus();
    return config;
}

static void free_headers(struct config_headers *headers)
{
    for (unsigned i = 0; i < headers->count; i++) {
        mem_free(headers->list[i].name);
        mem_free(headers->list[i].value);
    }
    mem_free(headers->list);
}

static void free_backend(struct config_backend *backend)
{
    for (unsigned i = 0; i < backend->tags_count; i++) {
        mem_free(backend->tags[i].key);
        mem_free(backend->tags[i].value);
    }
    mem_free(backend->tags);
    mem_free(backend->name);
    mem_free(backend->text);
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (unsigned i = 0; i < config->listen_count; i++) {
        mem_free(config->listen[i].text);
        mem_free(config->listen[i].written);
    }
    for (unsigned i = 0; i < config->backends_count; i++)
        free_backend(&config->backends[i]);
    for (unsigned i = 0; i < config->pages_count; i++) {
        mem_free(config->pages[i].type);
        mem_free(config->pages[i].body);
        free_headers(&config->pages[i].headers);
    }
    free_headers(&config->pages_headers);
    logging_dispose(&config->log);
    mem_free(config->health.path);
    mem_free(config->health.host);
    mem_free(config->pages);
    mem_free(config->trusted_proxies);
    mem_free(config->listen);
    mem_free(config->backends);
    mem_free(config->overridden);
    mem_free(config->script_path);
    mem_free(config->script);
    bundle_dispose(&config->modules);
    mem_free(config);
}

/* --- questions --- */

bool config_status_is_healthy(const struct config_health *health, unsigned status)
{
    unsigned bit = status - CONFIG_STATUS_MIN;

    return status >= CONFIG_STATUS_MIN && status <= CONFIG_STATUS_MAX &&
           (health->status[bit / 8] >> (bit % 8) & 1) != 0;
}

const struct config_page *config_page_of(const struct config *config, unsigned status)
{
    for (unsigned i = 0; i < config->pages_count; i++)
        if (config->pages[i].status == status)
            return &config->pages[i];
    return NULL;
}

/* --- CPUs --- */

unsigned config_cpus(void)
{
    double quota = ceil(cgroup_cpus(""));
    unsigned cpus = 1;
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cpus = (unsigned)CPU_COUNT(&set);
    if (quota < cpus)
        cpus = (unsigned)quota;
    if (cpus > SEGMENT_WORKERS_MAX)
        cpus = SEGMENT_WORKERS_MAX;
    return cpus > 0 ? cpus : 1;
}

/* --- as a script --- */

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

static void print_tags(struct buffer *out, const struct config_backend *backend)
{
    buffer_append_text(out, ", tags = { ");
    for (unsigned i = 0; i < backend->tags_count; i++) {
        buffer_append_text(out, i > 0 ? ", [" : "[");
        print_text(out, backend->tags[i].key);
        buffer_append_text(out, "] = ");
        print_text(out, backend->tags[i].value);
    }
    buffer_append_text(out, " }");
}

static void print_backend(struct buffer *out, const struct config_backend *backend)
{
    buffer_append_text(out, "    { name = ");
    print_text(out, backend->name);
    buffer_append_text(out, ", address = ");
    print_text(out, backend->text);
    buffer_printf(out, ", weight = %u", backend->weight);
    if (backend->max_in_flight > 0)
        buffer_printf(out, ", max_in_flight = %u", backend->max_in_flight);
    if (backend->tags_count > 0)
        print_tags(out, backend);
    buffer_append_text(out, " },\n");
}

static void print_listen(struct buffer *out, const struct config_listen *listen)
{
    if (listen->proxy)
        buffer_append_text(out, "{ ");
    print_text(out, listen->written);
    if (listen->proxy)
        buffer_append_text(out, ", proxy = true }");
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
        print_backend(out, &config->backends[i]);
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

static void print_headers(struct buffer *out, const struct config_headers *headers)
{
    buffer_append_text(out, "headers = {");
    for (unsigned i = 0; i < headers->count; i++) {
        buffer_append_text(out, i > 0 ? ", [" : " [");
        print_text(out, headers->list[i].name);
        buffer_append_text(out, "] = ");
        print_text(out, headers->list[i].value);
    }
    buffer_append_text(out, " }");
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
    if (page->headers.count > 0) {
        buffer_append_text(out, page->body != NULL ? ", " : "");
        print_headers(out, &page->headers);
    }
    buffer_append_text(out, " },\n");
}

static void print_pages(struct buffer *out, const struct config *config)
{
    buffer_append_text(out, "  pages = {\n");
    if (config->pages_headers.count > 0) {
        buffer_append_text(out, "    ");
        print_headers(out, &config->pages_headers);
        buffer_append_text(out, ",\n");
    }
    for (unsigned i = 0; i < config->pages_count; i++)
        print_page(out, &config->pages[i]);
    buffer_append_text(out, "  },\n");
}

static void print_probes(struct buffer *out, const struct config_health *health)
{
    if (health->type == CONFIG_HEALTH_LUA) {
        buffer_append_text(out, "    -- check: the script's\n");
        return;
    }
    if (health->type == CONFIG_HEALTH_TCP) {
        buffer_append_text(out, "    type = \"tcp\",\n");
        return;
    }
    buffer_append_text(out, "    type = \"http\",\n    path = ");
    print_text(out, health->path);
    if (health->host != NULL) {
        buffer_append_text(out, ",\n    host = ");
        print_text(out, health->host);
    }
    buffer_append_text(out, ",\n    status = ");
    probes_print(health, out);
    buffer_append_text(out, ",\n");
}

static void print_setting(struct buffer *out, const struct config *config,
                          const struct setting *setting)
{
    buffer_printf(out, "    %s = %.15g,", setting->name, setting_get(config, setting));
    if (setting->offset == offsetof(struct config, limits.memory))
        buffer_printf(out, " -- %" PRIu64 " for each worker", config_memory_part(config));
    buffer_append_byte(out, '\n');
}

static void print_group(struct buffer *out, const struct config *config,
                        const struct settings_group *group)
{
    buffer_printf(out, "  %s = {\n", group->name);
    if (strcmp(group->name, "health") == 0)
        print_probes(out, &config->health);
    for (unsigned i = 0; i < group->count; i++)
        print_setting(out, config, &group->settings[i]);
    buffer_append_text(out, "  },\n");
}

const char *config_fallback_name(const struct config *config)
{
    return config->fallback == CONFIG_FALLBACK_FAIL ? "fail" : "round_robin";
}

const char *config_body_first_name(enum config_body_first which)
{
    static const char *const names[] = {[CONFIG_BODY_FIRST_NEVER] = "never",
                                        [CONFIG_BODY_FIRST_LIMITED] = "limited",
                                        [CONFIG_BODY_FIRST_ALWAYS] = "always"};

    return names[which];
}

bool config_takes_body_first(const struct config *config)
{
    bool is_limited = false;

    for (unsigned i = 0; i < config->backends_count; i++)
        is_limited |= config->backends[i].max_in_flight > 0;
    return config->limits.replay > 0 &&
           (config->body_first == CONFIG_BODY_FIRST_ALWAYS ||
            (config->body_first == CONFIG_BODY_FIRST_LIMITED && is_limited));
}

void config_explain_fallback(const struct config *config, struct buffer *out)
{
    if (config->has_fallback)
        buffer_append_text(out, "the script says so");
    else if (config->guard_line > 0)
        buffer_printf(out, "%s:%u calls ctx:reject", config->guard_path, config->guard_line);
    else
        buffer_append_text(out, "nothing calls ctx:reject");
}

void config_print(const struct config *config, struct buffer *out)
{
    buffer_append_text(out, "return {\n");
    print_addresses(out, config);
    if (config->workers_auto)
        buffer_printf(out, "  workers = \"auto\", -- %u here\n", config->workers);
    else
        buffer_printf(out, "  workers = %u,\n", config->workers);
    buffer_printf(out, "  fallback = \"%s\",\n  body_first = \"%s\",\n",
                  config_fallback_name(config), config_body_first_name(config->body_first));
    print_trusted(out, config);
    print_pages(out, config);
    logging_print(config, out);
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
