/*
 * dns_source - the sources of core/discover/dns.c, with what they hand over as text for a spec.
 */
#include "config/config.h"
#include "discover/dns.c"

#include <stdlib.h>
#include <string.h>

struct source {
    unsigned published, failed;
    struct buffer said; /* what it has handed over last */
};

static struct loop loop;
static struct config config;
static struct sockaddr_in6 servers[DNS_SERVERS_MAX];
static struct source source;
static void *own;
static const struct source_kind *kind;

void source_publish(struct source *s, const struct found_list *list)
{
    s->published++;
    buffer_clear(&s->said);
    buffer_append_text(&s->said, "list");
    for (unsigned i = 0; i < list->count; i++) {
        const struct found *f = &list->list[i];

        buffer_printf(&s->said, " %.*s", (int)f->name.length, f->name.start);
        if (f->weight != 1 || f->priority != 0)
            buffer_printf(&s->said, "/%u/%u", f->priority, f->weight);
    }
}

void source_failed(struct source *s, const char *why)
{
    s->failed++;
    buffer_clear(&s->said);
    buffer_printf(&s->said, "failed %s", why);
}

const char *source_name(const struct source *s)
{
    (void)s;
    return "";
}

bool source_has_list(const struct source *s)
{
    (void)s;
    return false;
}

int play_source_begin(const char *text, const char *addresses, uint64_t min_ms, uint64_t max_ms)
{
    struct slice rest = slice_of(addresses);
    struct slice name = slice_from(slice_of(text), 4);

    memset(servers, 0, sizeof servers);
    config.discovery = (struct config_discovery){
        .ttl_min_ms = min_ms, .ttl_max_ms = max_ms, .servers = servers};
    while (rest.length > 0)
        if (!address_parse_ip(&servers[config.discovery.servers_count++],
                              slice_take_until(&rest, ' '), DNS_PORT))
            abort();
    buffer_dispose(&source.said);
    source = (struct source){0};
    loop_init(&loop);
    kind = strncmp(text, "srv:", 4) == 0 ? &dns_srv_kind : &dns_kind;
    own = kind->open(&source, name, &loop, &config);
    return uv_backend_fd(&loop.uv);
}

void play_source_turn(void)
{
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

unsigned play_source_published(void)
{
    return source.published;
}

unsigned play_source_failed(void)
{
    return source.failed;
}

const char *play_source_said(void)
{
    return source.published + source.failed > 0 ? buffer_text(&source.said) : NULL;
}

void play_source_end(void)
{
    kind->close(own);
    loop_dispose(&loop);
}
