#include "net/tls_sites.h"

#include "base/list.h"
#include "base/mem.h"

struct site {
    struct ssl_ctx_st *context; /* NULL: not made, or dropped */
    struct list_node node;      /* in sites->kept, while it has a context; the last used is last */
};

struct tls_sites {
    struct tls_sites_rules rules;
    struct list_node kept;
    unsigned kept_count;
    struct site list[];
};

struct tls_sites *tls_sites_new(const struct tls_sites_rules *rules)
{
    struct tls_sites *sites = mem_zalloc(sizeof *sites + rules->count * sizeof *sites->list);

    sites->rules = *rules;
    list_init(&sites->kept);
    for (unsigned i = 0; i < rules->count; i++)
        list_init(&sites->list[i].node);
    return sites;
}

static void site_forget(struct tls_sites *sites, struct site *site)
{
    tls_site_free(site->context);
    site->context = NULL;
    list_remove(&site->node);
    sites->kept_count--;
}

static struct site *oldest_kept(struct tls_sites *sites)
{
    return list_entry(sites->kept.next, struct site, node);
}

void tls_sites_free(struct tls_sites *sites)
{
    if (sites == NULL)
        return;
    while (!list_is_empty(&sites->kept))
        site_forget(sites, oldest_kept(sites));
    mem_free(sites);
}

int tls_sites_find(const struct tls_sites *sites, struct slice name)
{
    return tls_names_find(sites->rules.names, name);
}

const struct tls_site_rules *tls_sites_rules_of(const struct tls_sites *sites, unsigned index)
{
    CHECK(index < sites->rules.count);
    return &sites->rules.sites[index];
}

static void site_make(struct tls_sites *sites, struct site *site, unsigned index)
{
    if (sites->kept_count == TLS_SITES_KEPT)
        site_forget(sites, oldest_kept(sites));
    site->context = tls_site_make(&sites->rules.sites[index], NULL);
    sites->kept_count += site->context != NULL;
}

struct ssl_ctx_st *tls_sites_context(struct tls_sites *sites, unsigned index)
{
    struct site *site = &sites->list[index];

    CHECK(index < sites->rules.count);
    if (site->context == NULL)
        site_make(sites, site, index);
    if (site->context == NULL)
        return NULL;
    list_remove(&site->node);
    list_append(&sites->kept, &site->node);
    return site->context;
}
