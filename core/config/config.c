#include "config/config.h"

#include "base/mem.h"
#include "config/cgroup.h"
#include "shared/segment.h"

#include <math.h>
#include <sched.h>

const char *const config_fallback_names[] = {"round_robin", "fail", NULL};
const char *const config_body_first_names[] = {"never", "limited", "always", NULL};

void config_add_pair(struct config_pairs *pairs, struct slice name, struct slice value)
{
    pairs->list = mem_realloc(pairs->list, (pairs->count + 1) * sizeof *pairs->list);
    pairs->list[pairs->count++] = (struct config_pair){mem_copy(name.start, name.length),
                                                       mem_copy(value.start, value.length)};
}

/* --- the end --- */

static void free_texts(char **list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        mem_free(list[i]);
    mem_free(list);
}

static void free_pairs(struct config_pairs *pairs)
{
    for (unsigned i = 0; i < pairs->count; i++) {
        mem_free(pairs->list[i].name);
        mem_free(pairs->list[i].value);
    }
    mem_free(pairs->list);
}

static void free_tls(struct config_tls *tls)
{
    for (unsigned i = 0; i < tls->certificates_count; i++) {
        mem_free(tls->certificates[i].cert);
        mem_free(tls->certificates[i].key);
    }
    for (unsigned i = 0; i < tls->clients_count; i++) {
        mem_free(tls->clients[i].site);
        mem_free(tls->clients[i].ca);
        mem_free(tls->clients[i].crl);
    }
    for (unsigned i = 0; i < tls->remotes_count; i++) {
        mem_free(tls->remotes[i].ca);
        mem_free(tls->remotes[i].cert);
        mem_free(tls->remotes[i].key);
    }
    mem_free(tls->certificates);
    mem_free(tls->clients);
    mem_free(tls->remotes);
    mem_free(tls->ciphers);
    mem_free(tls->groups);
    mem_free(tls->ticket_keys);
    mem_free(tls->rules);
    tls_names_dispose(&tls->names);
    vault_close(&tls->vault);
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (unsigned i = 0; i < config->listen_count; i++) {
        mem_free(config->listen[i].text);
        mem_free(config->listen[i].written);
    }
    for (unsigned i = 0; i < config->backends_count; i++) {
        mem_free(config->backends[i].name);
        mem_free(config->backends[i].written);
        mem_free(config->backends[i].tls_name);
        free_pairs(&config->backends[i].tags);
    }
    for (unsigned i = 0; i < config->pages_count; i++) {
        mem_free(config->pages[i].type);
        mem_free(config->pages[i].body);
        free_pairs(&config->pages[i].headers);
    }
    free_pairs(&config->pages_headers);
    free_tls(&config->tls);
    free_texts(config->log.headers, config->log.headers_count);
    free_texts(config->log.skip, config->log.skip_count);
    mem_free(config->log.file);
    mem_free(config->health.path);
    mem_free(config->health.host);
    mem_free(config->health.service);
    mem_free(config->pages);
    mem_free(config->trusted_proxies);
    mem_free(config->listen);
    mem_free(config->backends);
    for (unsigned i = 0; i < config->sources_count; i++)
        mem_free(config->sources[i].text);
    mem_free(config->sources);
    mem_free(config->discovery.allow);
    mem_free(config->discovery.servers);
    mem_free(config->overridden);
    mem_free(config->script_path);
    mem_free(config->script);
    bundle_dispose(&config->modules);
    mem_free(config);
}

const char *const config_scheme_names[] = {
    [CONFIG_HTTP] = "http", [CONFIG_HTTPS] = "https", [CONFIG_H2C] = "h2c", [CONFIG_H2] = "h2"};

/* --- questions --- */

const struct config_page *config_page_of(const struct config *config, unsigned status)
{
    for (unsigned i = 0; i < config->pages_count; i++)
        if (config->pages[i].status == status)
            return &config->pages[i];
    return NULL;
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

void config_explain_plain(const struct config *config, struct buffer *out)
{
    buffer_printf(out,
                  "the script has tls, but the listeners are those of %s, and none of them has it: "
                  "write https://:443 there",
                  config->plain_by);
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
