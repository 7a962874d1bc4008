#include "config/sites.h"

#include "base/hash.h"
#include "base/mem.h"
#include "config/certificates.h"
#include "config/remotes.h"
#include "lua/fields.h"

#include <stdio.h>

/* Sites that are tried: the first ones, and those with other rules for clients. */
enum { NONE = -1, TRIED_FIRST = 32, RULES_MAX = 100 };

/* What one name gets: for each kind of key the number of a certificate, or NONE; and the index in
 * tls->clients of the rules for its clients, or NONE. */
struct gets {
    int32_t certificates[TLS_KEY_KINDS], client;
};

struct choice {
    struct gets gets;
    uint32_t site;
    struct slice name; /* empty: no name */
};

struct making {
    struct config_tls *tls;
    struct tls_client_rules *clients;
    struct tls_names asked; /* the names of `sites`, each with its index in tls->clients */
    struct certificate *certificates;
    unsigned count;
    struct slice ticket_keys;
    struct choice *choices; /* names lead to these, until each choice has its site */
    unsigned choices_count, room;
};

static unsigned add_choice(struct making *m, struct slice name)
{
    struct choice *choice;

    if (m->choices_count == m->room) {
        m->room = m->room > 0 ? m->room * 2 : 16;
        m->choices = mem_realloc(m->choices, m->room * sizeof *m->choices);
    }
    choice = &m->choices[m->choices_count];
    choice->name = name;
    choice->gets.client = NONE;
    for (unsigned i = 0; i < TLS_KEY_KINDS; i++)
        choice->gets.certificates[i] = NONE;
    return m->choices_count++;
}

static void choose_for(struct making *m, unsigned which, unsigned number)
{
    int32_t *chosen = &m->choices[number].gets.certificates[m->certificates[which].facts.key];

    if (*chosen == NONE)
        *chosen = (int32_t)which;
}

/* The first choice belongs to the first certificate, with a name or without. */
static void add_names(struct making *m, unsigned which)
{
    struct slice names = m->certificates[which].names, name;

    if (names.length == 0)
        choose_for(m, which, which == 0 ? add_choice(m, SLICE("")) : 0);
    while (certificates_next_name(&names, &name)) {
        unsigned number = tls_names_add(&m->tls->names, name, m->choices_count);

        if (number == m->choices_count)
            add_choice(m, name);
        choose_for(m, which, number);
    }
}

/* --- clients --- */

static uint64_t id_of(const struct tls_client_rules *rules)
{
    const uint32_t numbers[] = {rules->verify, rules->depth, rules->forward};
    uint64_t id = hash_add(HASH_START, (struct slice){(const char *)numbers, sizeof numbers});

    if (rules->verify == TLS_VERIFY_NONE)
        return 0;
    id = hash_mix(hash_add(hash_mix(hash_add(id, rules->ca)), rules->crl));
    return id != 0 ? id : 1;
}

static void find_clients(struct making *m)
{
    const struct config_tls *tls = m->tls;
    struct slice rest = tls->files;
    struct client_files files;

    m->clients = mem_zalloc_array(tls->clients_count + 1, sizeof *m->clients);
    for (unsigned i = 0; i < tls->clients_count; i++) {
        m->clients[i].verify = tls->clients[i].verify;
        m->clients[i].depth = tls->clients[i].depth;
        m->clients[i].forward = tls->clients[i].forward;
        if (tls->clients[i].site != NULL)
            tls_names_add(&m->asked, slice_of(tls->clients[i].site), i);
    }
    while (certificates_next_client(&rest, &files)) {
        m->clients[files.client].ca = files.ca;
        m->clients[files.client].crl = files.crl;
    }
    for (unsigned i = 0; i < tls->clients_count; i++)
        m->clients[i].id = id_of(&m->clients[i]);
}

/* A name of `sites` without a certificate of its own gets the certificate of a wildcard. */
static void add_asked(struct making *m, const char *site)
{
    struct tls_names strict = m->tls->names;
    struct slice name = slice_of(site);
    unsigned number;
    int below;

    strict.strict = true;
    below = tls_names_has(&strict, name) ? TLS_NAMES_NONE : tls_names_find(&strict, name);
    if (below == TLS_NAMES_NONE)
        return;
    number = add_choice(m, name);
    m->choices[number].gets = m->choices[below].gets;
    tls_names_add(&m->tls->names, name, number);
}

/* A wildcard of `sites` is for names with certificates of their own, too. */
static void set_clients(struct making *m)
{
    const struct config_tls *tls = m->tls;
    int others = tls->clients_count > 0 && tls->clients[0].site == NULL ? 0 : NONE;

    for (unsigned i = 0; i < tls->clients_count; i++)
        if (tls->clients[i].site != NULL)
            add_asked(m, tls->clients[i].site);
    m->asked.strict = true;
    for (unsigned i = 0; i < m->choices_count; i++) {
        struct slice name = m->choices[i].name;
        int client = tls_names_has(&m->asked, name) ? (int)tls_names_add(&m->asked, name, 0)
                                                    : tls_names_find(&m->asked, name);

        m->choices[i].gets.client = client != TLS_NAMES_NONE ? client : others;
    }
}

/* --- sites --- */

static void find_certificates(struct making *m)
{
    struct slice rest = m->tls->files;
    struct certificate certificate;
    struct ticket_file tickets;
    unsigned room = 0;

    while (certificates_next(&rest, &certificate) && certificate.remote < 0) {
        if (m->count == room) {
            room = room > 0 ? room * 2 : 16;
            m->certificates = mem_realloc(m->certificates, room * sizeof *m->certificates);
        }
        m->certificates[m->count++] = certificate;
    }
    CHECK(m->count > 0);
    if (certificates_find_tickets(m->tls->files, &tickets))
        m->ticket_keys = tickets.keys;
}

static void add_site(struct making *m, struct choice *choice)
{
    struct config_tls *tls = m->tls;
    struct tls_site_rules *rules = &tls->rules[tls->sites.count];

    *rules = (struct tls_site_rules){.id = choice->name,
                                     .min_version = tls->min_version,
                                     .alpn = tls->alpn,
                                     .ciphers = tls->ciphers,
                                     .groups = tls->groups,
                                     .tickets = tls->tickets,
                                     .ticket_keys = m->ticket_keys};
    for (unsigned i = 0; i < TLS_KEY_KINDS; i++)
        if (choice->gets.certificates[i] != NONE)
            rules->certificates[rules->certificates_count++] =
                m->certificates[choice->gets.certificates[i]].pem;
    if (choice->gets.client != NONE)
        rules->client = m->clients[choice->gets.client];
    choice->site = tls->sites.count++;
}

/* Choices that are equal become one site. Each certificate has a chain of the choices in which it
 * comes first, the last one first. Usually the choices in a chain are equal. */
static void make_sites(struct making *m)
{
    uint32_t *last = mem_alloc(m->count * sizeof *last);
    uint32_t *before = mem_alloc(m->choices_count * sizeof *before);

    memset(last, 0xff, m->count * sizeof *last);
    m->tls->rules = mem_zalloc_array(m->choices_count, sizeof *m->tls->rules);
    for (uint32_t i = 0; i < m->choices_count; i++) {
        struct choice *choice = &m->choices[i];
        uint32_t *chain, other;
        unsigned kind = 0;

        while (choice->gets.certificates[kind] == NONE)
            kind++;
        chain = &last[choice->gets.certificates[kind]];
        for (other = *chain; other != UINT32_MAX; other = before[other])
            if (memcmp(&m->choices[other].gets, &choice->gets, sizeof choice->gets) == 0)
                break;
        before[i] = *chain;
        *chain = i;
        if (other != UINT32_MAX)
            choice->site = m->choices[other].site;
        else
            add_site(m, choice);
    }
    mem_free(last);
    mem_free(before);
}

static void forget(struct config_tls *tls)
{
    bool strict = tls->names.strict;

    tls_names_dispose(&tls->names);
    tls->names.strict = strict;
    mem_free(tls->rules);
    tls->rules = NULL;
    tls->sites = (struct tls_sites_rules){0};
}

void sites_forget(struct config_tls *tls)
{
    forget(tls);
    if (remotes_have_files(tls))
        return; /* backends need theirs, which are among them */
    vault_close(&tls->vault);
    tls->files = (struct slice){"", 0};
}

void sites_make(struct config_tls *tls)
{
    struct making m = {.tls = tls};
    struct tls_names *names = &tls->names;

    forget(tls);
    find_certificates(&m);
    for (unsigned i = 0; i < m.count; i++)
        add_names(&m, i);
    find_clients(&m);
    set_clients(&m);
    make_sites(&m);
    for (uint32_t i = 0; i < names->size; i++)
        if (names->slots[i].text != NULL)
            names->slots[i].site = m.choices[names->slots[i].site].site;
    tls->rules = mem_realloc(tls->rules, tls->sites.count * sizeof *tls->rules);
    tls->sites.sites = tls->rules;
    tls->sites.names = names;
    tls->sites.makes_records = tls->records == CONFIG_RECORDS_OWN;
    mem_free(m.certificates);
    mem_free(m.choices);
    mem_free(m.clients);
    tls_names_dispose(&m.asked);
}

/* Has a certificate the name, a name below it if it is a wildcard, or a wildcard above it? */
static bool is_served(const struct tls_names *strict, struct slice site)
{
    struct slice below = {site.start + 1, site.length - 1}; /* of "*.a.b" it is ".a.b" */

    if (tls_names_has(strict, site) || tls_names_find(strict, site) != TLS_NAMES_NONE)
        return true;
    for (uint32_t i = 0; site.start[0] == '*' && i < strict->size; i++) {
        const char *text = strict->slots[i].text, *dot = text != NULL ? strchr(text, '.') : NULL;

        if (dot != NULL && slice_is_nocase(slice_of(dot), below))
            return true;
    }
    return false;
}

/* Has each name of `sites` a certificate? */
static bool try_names(const struct config_tls *tls, struct fields_wrong *wrong)
{
    struct tls_names strict = tls->names;

    strict.strict = true;
    for (unsigned i = 0; i < tls->clients_count; i++) {
        const char *site = tls->clients[i].site;

        if (site == NULL || is_served(&strict, slice_of(site)))
            continue;
        wrong->is_set = true;
        snprintf(wrong->path, sizeof wrong->path, "tls.sites");
        buffer_printf(&wrong->message, "tls.sites: no certificate has the name '%s'", site);
        return false;
    }
    return true;
}

/* The fault "ciphers: .." is reported as "tls.ciphers: ..". One of a later site has its name. */
static void report(const struct tls_site_rules *rules, bool is_first, struct slice said,
                   struct fields_wrong *wrong)
{
    const char *member = slice_begins(said, SLICE("ciphers"))  ? ".ciphers"
                         : slice_begins(said, SLICE("groups")) ? ".groups"
                                                               : "";

    wrong->is_set = true;
    snprintf(wrong->path, sizeof wrong->path, "tls%s", member);
    buffer_printf(&wrong->message, "tls%s", member[0] != '\0' ? "." : ": ");
    if (member[0] == '\0' && !is_first)
        buffer_printf(&wrong->message, "%.*s: ", (int)rules->id.length, rules->id.start);
    buffer_append(&wrong->message, said);
}

static bool try_site(const struct config_tls *tls, unsigned index, struct fields_wrong *wrong)
{
    const struct tls_site_rules *rules = &tls->rules[index];
    struct buffer words = {0};
    struct ssl_ctx_st *context = tls_site_make(rules, &words);

    if (context == NULL)
        report(rules, index == 0, buffer_slice(&words), wrong);
    tls_site_free(context);
    buffer_dispose(&words);
    return context != NULL;
}

/* Adds the id; false: it was there, or there is no room. */
static bool note_id(uint64_t ids[RULES_MAX], unsigned *count, uint64_t id)
{
    for (unsigned i = 0; i < *count; i++)
        if (ids[i] == id)
            return false;
    if (*count == RULES_MAX)
        return false;
    ids[(*count)++] = id;
    return true;
}

void sites_try(const struct config_tls *tls, struct fields_wrong *wrong)
{
    uint64_t ids[RULES_MAX]; /* of the rules for clients that were tried */
    unsigned count = 0;

    if (!try_names(tls, wrong))
        return;
    for (unsigned i = 0; i < tls->sites.count; i++) {
        bool is_new = note_id(ids, &count, tls->rules[i].client.id);

        if ((i < TRIED_FIRST || is_new) && !try_site(tls, i, wrong))
            return;
    }
}
