#include "config/sources.h"

#include "base/mem.h"
#include "lua/fields.h"
#include "net/address.h"
#include "shared/roster.h"

#include <stdio.h>

enum { ALLOW_MAX = 256, SHOWN_BYTES_MAX = 80, TTL_DAYS_S = 86400, SERVERS_MAX = 8, DNS_PORT = 53 };

/* A name that ends with a colon has something behind it. */
static const char *const kinds[] = {"admin", "file:", "dns:", "srv:"};

enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *kind_of(struct slice text)
{
    for (unsigned i = 0; i < KINDS; i++) {
        struct slice kind = slice_of(kinds[i]);

        if (kinds[i][kind.length - 1] == ':' ? slice_begins(text, kind) : slice_is(text, kind))
            return kinds[i];
    }
    return NULL;
}

bool sources_is(struct slice text)
{
    return kind_of(text) != NULL;
}

/* What asks for a name and a port, or for a name alone. */
static const char *find_fault_of_dns(struct slice text, bool has_port)
{
    char whole[ROSTER_SOURCE_BYTES + 2];
    struct address address;
    const char *wrong;

    snprintf(whole, sizeof whole, has_port ? "%.*s" : "%.*s:1", (int)text.length, text.start);
    wrong = address_parse(&address, slice_of(whole), false);
    if (wrong == NULL && address.kind != ADDRESS_NAME)
        wrong = "DNS is asked for names, and that is an address";
    return wrong;
}

static const char *find_fault(const struct config *config, struct slice text)
{
    const char *kind = kind_of(text);
    size_t length = strlen(kind);

    if (kind[length - 1] == ':' && text.length == length)
        return "what is behind the colon is missing";
    if (text.length >= ROSTER_SOURCE_BYTES)
        return "too long: 255 bytes at most";
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.start[i] < 0x20 || text.start[i] == 0x7f)
            return "a control byte in it";
    if (slice_begins(text, SLICE("dns:")) || slice_begins(text, SLICE("srv:"))) {
        const char *wrong = find_fault_of_dns(slice_from(text, length), text.start[0] == 'd');

        if (wrong != NULL)
            return wrong;
    }
    for (unsigned i = 0; i < config->sources_count; i++)
        if (slice_is(slice_of(config->sources[i].text), text))
            return "listed twice";
    if (config->sources_count == ROSTER_SOURCES_MAX)
        return "too many sources: 16 at most";
    return NULL;
}

bool sources_add(struct config *config, struct slice text, struct buffer *wrong)
{
    const char *fault = find_fault(config, text);

    if (fault != NULL) {
        buffer_printf(wrong, "'%.*s': %s",
                      text.length > SHOWN_BYTES_MAX ? SHOWN_BYTES_MAX : (int)text.length,
                      text.start, fault);
        return false;
    }
    config->sources =
        mem_realloc(config->sources, (config->sources_count + 1) * sizeof *config->sources);
    config->sources[config->sources_count++] =
        (struct config_source){.text = mem_copy(text.start, text.length)};
    return true;
}

/* --- discovery --- */

const char *const sources_names[] = {"ttl", "allow", "servers", NULL};

static void read_ttl(struct config_discovery *d, struct fields *table)
{
    static const char *const known[] = {"min", "max", NULL};
    static const struct fields_range range = {0.001, TTL_DAYS_S, false, false, "seconds"};
    double least = (double)d->ttl_min_ms / 1000, most = (double)d->ttl_max_ms / 1000;
    struct fields ttl;

    if (!fields_enter(&ttl, table, "ttl", 0))
        return;
    fields_check_names(&ttl, known);
    (void)fields_number(&ttl, "min", 0, &range, &least);
    (void)fields_number(&ttl, "max", 0, &range, &most);
    if (most < least)
        fields_fail(&ttl, "max", 0, "expected discovery.ttl.min (%g) at least, got %g", least,
                    most);
    d->ttl_min_ms = (uint64_t)(least * 1000 + 0.5);
    d->ttl_max_ms = (uint64_t)(most * 1000 + 0.5);
    fields_leave(&ttl);
}

static void read_allow(void *owner, struct fields *table, const char *name, unsigned position)
{
    struct config_discovery *d = owner;
    struct network network;
    struct slice text;
    const char *wrong;

    if (!fields_text(table, name, position, &text))
        return;
    wrong = network_parse(&network, text);
    if (wrong != NULL) {
        fields_fail(table, name, position, "'%.*s': %s",
                    text.length > SHOWN_BYTES_MAX ? SHOWN_BYTES_MAX : (int)text.length, text.start,
                    wrong);
        return;
    }
    d->allow = mem_realloc(d->allow, (d->allow_count + 1) * sizeof *d->allow);
    d->allow[d->allow_count++] = network;
}

static void read_server(void *owner, struct fields *table, const char *name, unsigned position)
{
    struct config_discovery *d = owner;
    struct sockaddr_in6 server;
    struct slice text;

    if (!fields_text(table, name, position, &text))
        return;
    if (!address_parse_ip(&server, text, DNS_PORT)) {
        fields_fail(table, name, position, "'%.*s': expected an IP address, with a port or without",
                    text.length > SHOWN_BYTES_MAX ? SHOWN_BYTES_MAX : (int)text.length, text.start);
        return;
    }
    d->servers = mem_realloc(d->servers, (d->servers_count + 1) * sizeof *d->servers);
    d->servers[d->servers_count++] = server;
}

void sources_read(struct config *config, struct fields *table)
{
    read_ttl(&config->discovery, table);
    fields_texts(table, "allow", ALLOW_MAX, read_allow, &config->discovery,
                 "a network or a list of them");
    fields_texts(table, "servers", SERVERS_MAX, read_server, &config->discovery,
                 "an address or a list of them");
}

void sources_print(const struct config *config, struct buffer *out)
{
    const struct config_discovery *d = &config->discovery;

    buffer_printf(out, "    ttl = { min = %.15g, max = %.15g },\n    allow = {",
                  (double)d->ttl_min_ms / 1000, (double)d->ttl_max_ms / 1000);
    for (unsigned i = 0; i < d->allow_count; i++) {
        buffer_append_text(out, i > 0 ? ", \"" : " \"");
        network_format(out, &d->allow[i]);
        buffer_append_text(out, "\"");
    }
    buffer_append_text(out, d->allow_count > 0 ? " },\n    servers = {" : "},\n    servers = {");
    for (unsigned i = 0; i < d->servers_count; i++) {
        buffer_append_text(out, i > 0 ? ", \"" : " \"");
        address_format(out, (const struct sockaddr *)&d->servers[i]);
        buffer_append_text(out, "\"");
    }
    buffer_append_text(out, d->servers_count > 0 ? " },\n" : "},\n");
}
