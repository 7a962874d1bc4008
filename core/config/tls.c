#include "config/tls.h"

#include "base/file.h"
#include "base/mem.h"
#include "lua/fields.h"
#include "net/tls_names.h"

#include <stdlib.h>

enum {
    CERTIFICATES_MAX = 20000,
    PROTOCOLS_MAX = 16,
    TICKETS_MAX = 4,
    SITES_MAX = 20000,
    DEPTH_MAX = 20
};

/* In the order of enum tls_version. */
static const char *const versions[] = {"1.2", "1.3", NULL};
/* In the order of enum tls_verify. */
static const char *const verifications[] = {"none", "request", "require", NULL};

/* In the order of enum config_records. */
static const char *const records[] = {"own", "openssl", NULL};

void tls_set_defaults(struct config_tls *tls)
{
    tls->records = CONFIG_RECORDS_OWN;
    tls->min_version = TLS_VERSION_1_2;
    tls->alpn = TLS_ALPN_H2_H1;
    tls->tickets = 1;
}

bool tls_is_used(const struct config *config)
{
    for (unsigned i = 0; i < config->listen_count; i++)
        if (config->listen[i].tls)
            return true;
    return false;
}

/* --- certificates --- */

/* NULL: the path is missing or wrong. */
static char *read_path(struct fields *table, const char *name, unsigned position)
{
    const char *objection;
    struct slice path;

    if (!fields_text(table, name, position, &path))
        return NULL;
    objection = file_objection_to(path);
    if (objection == NULL)
        return mem_copy(path.start, path.length);
    fields_fail(table, name, position, "%s", objection);
    return NULL;
}

static void add_certificate(struct config_tls *tls, char *cert, char *key)
{
    size_t bytes = (tls->certificates_count + 1) * sizeof *tls->certificates;

    tls->certificates = mem_realloc(tls->certificates, bytes);
    tls->certificates[tls->certificates_count++] = (struct config_certificate){cert, key};
}

static void read_pair(struct config_tls *tls, struct fields *entry)
{
    static const char *const known[] = {"cert", "key", NULL};
    char *cert, *key;

    fields_check_names(entry, known);
    if (fields_type(entry, "cert", 0) == FIELDS_NOTHING ||
        fields_type(entry, "key", 0) == FIELDS_NOTHING)
        fields_fail(entry, NULL, 0,
                    "expected { cert = \"shop.crt\", key = \"shop.key\" }; for one "
                    "file with both write its path alone");
    cert = read_path(entry, "cert", 0);
    key = read_path(entry, "key", 0);
    add_certificate(tls, cert, key);
}

static void read_certificate(struct config_tls *tls, struct fields *list, unsigned position)
{
    enum fields_type type = fields_type(list, NULL, position);
    struct fields entry;

    if (type == FIELDS_TEXT) {
        add_certificate(tls, read_path(list, NULL, position), NULL);
    } else if (type == FIELDS_TABLE && fields_enter(&entry, list, NULL, position)) {
        read_pair(tls, &entry);
        fields_leave(&entry);
    } else if (type != FIELDS_NOTHING) {
        fields_expected(list, NULL, position, "the path of a file, or { cert = .., key = .. }");
    }
}

static void read_certificates(struct config_tls *tls, struct fields *table)
{
    enum fields_type type = fields_type(table, "certificates", 0);
    struct fields list;
    unsigned count;

    if (type == FIELDS_TEXT) {
        add_certificate(tls, read_path(table, "certificates", 0), NULL);
    } else if (type == FIELDS_TABLE && fields_enter(&list, table, "certificates", 0)) {
        if (fields_type(&list, "cert", 0) != FIELDS_NOTHING)
            fields_fail(&list, NULL, 0,
                        "expected a list: { { cert = \"shop.crt\", key = \"shop.key\" } }");
        count = fields_count(&list, CERTIFICATES_MAX);
        for (unsigned i = 1; i <= count; i++)
            read_certificate(tls, &list, i);
        fields_leave(&list);
    } else if (type != FIELDS_NOTHING) {
        fields_expected(table, "certificates", 0, "the path of a file or a list of certificates");
    }
    if (tls->certificates_count == 0)
        fields_fail(table, NULL, 0,
                    "no certificates: write certificates = { \"/etc/lb/certs/*.pem\" }, or "
                    "{ { cert = \"shop.crt\", key = \"shop.key\" } }");
}

/* --- certificates of clients --- */

static void check_client(const struct config_tls_client *client, struct fields *table)
{
    if (client->verify != TLS_VERIFY_NONE && client->ca == NULL)
        fields_fail(table, NULL, 0,
                    "ca is missing, the file of those who sign certificates of clients: "
                    "ca = \"clients.pem\"");
    if (client->verify == TLS_VERIFY_NONE &&
        (client->ca != NULL || client->crl != NULL || client->forward))
        fields_fail(table, NULL, 0,
                    "nothing is asked of clients: write verify = \"request\" or \"require\"");
}

static void read_client(struct config_tls_client *client, struct fields *table)
{
    static const char *const known[] = {"ca", "crl", "depth", "forward", "verify", NULL};
    static const struct fields_range some = {1, DEPTH_MAX, false, true, NULL};
    double depth;
    unsigned which;

    fields_check_names(table, known);
    client->ca = read_path(table, "ca", 0);
    client->crl = read_path(table, "crl", 0);
    client->verify = client->ca != NULL ? TLS_VERIFY_REQUEST : TLS_VERIFY_NONE;
    if (fields_choice(table, "verify", verifications, &which))
        client->verify = which;
    if (fields_number(table, "depth", 0, &some, &depth))
        client->depth = (unsigned)depth;
    fields_flag(table, "forward", &client->forward);
    check_client(client, table);
}

static struct config_tls_client *add_client(struct config_tls *tls)
{
    struct config_tls_client *client;
    unsigned count = tls->clients_count;

    if ((count & (count - 1)) == 0)
        tls->clients = mem_realloc(tls->clients, (count > 0 ? count * 2 : 1) * sizeof *client);
    client = &tls->clients[tls->clients_count++];
    *client = (struct config_tls_client){0};
    return client;
}

static void read_site(struct config_tls *tls, struct fields *sites, struct slice name)
{
    static const char *const known[] = {"client", NULL};
    struct fields site, table;

    if (!tls_names_is_right(name))
        fields_fail(sites, name.start, 0, "expected a host name, or \"*.\" and a host name");
    else if (tls->clients_count > SITES_MAX)
        fields_fail(sites, NULL, 0, "expected %d sites at most", SITES_MAX);
    else if (!fields_enter(&site, sites, name.start, 0))
        return;
    else {
        fields_check_names(&site, known);
        if (fields_enter(&table, &site, "client", 0)) {
            struct config_tls_client *client = add_client(tls);

            client->site = mem_copy(name.start, name.length);
            read_client(client, &table);
            fields_leave(&table);
        }
        fields_leave(&site);
    }
}

/* The default first, then by name: a table of Lua has no order, and lb reports changes. */
static int compare_clients(const void *a, const void *b)
{
    const struct config_tls_client *one = a, *other = b;

    if (one->site == NULL || other->site == NULL)
        return (one->site != NULL) - (other->site != NULL);
    return strcmp(one->site, other->site);
}

/* Names that differ in case alone are one name: only one of the two entries would count. */
static void refuse_twins(const struct config_tls *tls, struct fields *sites)
{
    struct tls_names seen = {0};
    unsigned at = 0, first = 0;

    for (; at < tls->clients_count; at++) {
        const char *site = tls->clients[at].site;

        first = site != NULL ? tls_names_add(&seen, slice_of(site), at) : at;
        if (first != at)
            break;
    }
    tls_names_dispose(&seen);
    if (at < tls->clients_count)
        fields_fail(sites, NULL, 0, "'%s' and '%s' are the same name", tls->clients[first].site,
                    tls->clients[at].site);
}

static void read_clients(struct config_tls *tls, struct fields *root)
{
    struct slice name = {NULL, 0};
    struct fields table;

    if (fields_enter(&table, root, "client", 0)) {
        read_client(add_client(tls), &table);
        fields_leave(&table);
    }
    if (!fields_enter(&table, root, "sites", 0))
        return;
    while (fields_next_name(&table, &name,
                            "names, as in { [\"admin.example\"] = { client = { .. } } }"))
        read_site(tls, &table, name);
    if (tls->clients_count > 0) /* if 0, there is no array */
        qsort(tls->clients, tls->clients_count, sizeof *tls->clients, compare_clients);
    refuse_twins(tls, &table);
    fields_leave(&table);
}

/* --- the rest --- */

/* By enum tls_alpn. */
static const char *const alpn_lists[] = {"\"h2\", \"http/1.1\"", "\"http/1.1\", \"h2\"",
                                         "\"http/1.1\"", "\"h2\""};

/* lb prefers the protocol that stands first in the list. */
static void read_alpn(struct config_tls *tls, struct fields *table)
{
    unsigned h1 = 0, h2 = 0, count;
    struct fields list;
    struct slice name;

    if (!fields_enter(&list, table, "alpn", 0))
        return;
    count = fields_count(&list, PROTOCOLS_MAX);
    if (count == 0)
        fields_fail(&list, NULL, 0, "expected { %s }", alpn_lists[0]);
    for (unsigned i = 1; i <= count; i++) {
        if (!fields_text(&list, NULL, i, &name))
            continue;
        if (slice_is(name, SLICE("http/1.1")))
            h1 = h1 > 0 ? h1 : i;
        else if (slice_is(name, SLICE("h2")))
            h2 = h2 > 0 ? h2 : i;
        else
            fields_fail(&list, NULL, i, "lb speaks \"h2\" and \"http/1.1\", got '%.*s'",
                        name.length > 40 ? 40 : (int)name.length, name.start);
    }
    if (h1 == 0 || h2 == 0)
        tls->alpn = h2 > 0 ? TLS_ALPN_H2 : TLS_ALPN_H1;
    else
        tls->alpn = h2 < h1 ? TLS_ALPN_H2_H1 : TLS_ALPN_H1_H2;
    fields_leave(&list);
}

static char *read_words(struct fields *table, const char *name)
{
    struct slice text;

    if (!fields_text(table, name, 0, &text))
        return NULL;
    if (text.length == 0 || memchr(text.start, '\0', text.length) != NULL)
        fields_fail(table, name, 0, "expected a list as OpenSSL writes it: 'A:B:C'");
    return mem_copy(text.start, text.length);
}

static void read_tls_table(struct config_tls *tls, struct fields *table)
{
    static const char *const known[] = {"certificates", "min_version", "ciphers", "groups",
                                        "alpn",         "strict",      "tickets", "ticket_keys",
                                        "records",      "client",      "sites",   NULL};
    static const struct fields_range some = {0, TICKETS_MAX, false, true, NULL};
    double tickets;
    unsigned which;

    if (fields_type(table, "cert", 0) != FIELDS_NOTHING ||
        fields_type(table, "key", 0) != FIELDS_NOTHING)
        fields_fail(table, NULL, 0,
                    "cert and key are of a certificate: write certificates = { { cert = "
                    "\"shop.crt\", key = \"shop.key\" } }");
    fields_check_names(table, known);
    if (fields_choice(table, "min_version", versions, &which))
        tls->min_version = which;
    tls->ciphers = read_words(table, "ciphers");
    tls->groups = read_words(table, "groups");
    read_alpn(tls, table);
    fields_flag(table, "strict", &tls->names.strict);
    if (fields_number(table, "tickets", 0, &some, &tickets))
        tls->tickets = (unsigned)tickets;
    tls->ticket_keys = read_path(table, "ticket_keys", 0);
    if (fields_choice(table, "records", records, &which))
        tls->records = which;
    read_certificates(tls, table);
    read_clients(tls, table);
}

void tls_read(struct config *config, struct fields *root, const char *given)
{
    bool is_used = tls_is_used(config);
    struct fields table;

    if (fields_enter(&table, root, "tls", 0)) {
        read_tls_table(&config->tls, &table);
        fields_leave(&table);
        if (!is_used && given != NULL)
            config->plain_by = given;
        else if (!is_used)
            fields_fail(
                root, "tls", 0,
                "no listener has TLS: write listen = { \":80\", { \":443\", tls = true } }");
    } else if (is_used && given != NULL) {
        fields_fail(
            root, NULL, 0,
            "https:// in %s needs certificates: tls = { certificates = { \"/etc/lb/*.pem\" } }",
            given);
    } else if (is_used) {
        fields_fail(
            root, "listen", 0,
            "tls = true needs certificates: tls = { certificates = { \"/etc/lb/*.pem\" } }");
    }
}

/* --- as a script --- */

static void print_certificate(struct buffer *out, const struct config_certificate *certificate)
{
    if (certificate->key != NULL)
        buffer_append_text(out, "{ cert = ");
    config_print_text(out, slice_of(certificate->cert));
    if (certificate->key == NULL)
        return;
    buffer_append_text(out, ", key = ");
    config_print_text(out, slice_of(certificate->key));
    buffer_append_text(out, " }");
}

static void print_words(struct buffer *out, const char *name, const char *words)
{
    if (words == NULL)
        return;
    buffer_printf(out, "    %s = ", name);
    config_print_text(out, slice_of(words));
    buffer_append_text(out, ",\n");
}

static void print_client(struct buffer *out, const struct config_tls_client *client)
{
    buffer_printf(out, "client = { verify = \"%s\"", verifications[client->verify]);
    if (client->ca != NULL) {
        buffer_append_text(out, ", ca = ");
        config_print_text(out, slice_of(client->ca));
    }
    if (client->crl != NULL) {
        buffer_append_text(out, ", crl = ");
        config_print_text(out, slice_of(client->crl));
    }
    if (client->depth > 0)
        buffer_printf(out, ", depth = %u", client->depth);
    if (client->forward)
        buffer_append_text(out, ", forward = true");
    buffer_append_text(out, " }");
}

static void print_clients(struct buffer *out, const struct config_tls *tls)
{
    const struct config_tls_client *client = tls->clients, *end = client + tls->clients_count;
    const char *before = "    sites = { ";

    if (client < end && client->site == NULL) {
        buffer_append_text(out, "    ");
        print_client(out, client++);
        buffer_append_text(out, ",\n");
    }
    for (; client < end; client++, before = ", ") {
        buffer_printf(out, "%s[", before);
        config_print_text(out, slice_of(client->site));
        buffer_append_text(out, "] = { ");
        print_client(out, client);
        buffer_append_text(out, " }");
    }
    if (before[0] == ',')
        buffer_append_text(out, " },\n");
}

void tls_print(const struct config *config, struct buffer *out)
{
    const struct config_tls *tls = &config->tls;

    if (!tls_is_used(config))
        return;
    buffer_append_text(out, "  tls = {\n    certificates = { ");
    for (unsigned i = 0; i < tls->certificates_count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        print_certificate(out, &tls->certificates[i]);
    }
    buffer_printf(out, " },\n    min_version = \"%s\",\n", versions[tls->min_version]);
    print_words(out, "ciphers", tls->ciphers);
    print_words(out, "groups", tls->groups);
    buffer_printf(out, "    alpn = { %s },\n    strict = %s,\n    records = \"%s\",\n",
                  alpn_lists[tls->alpn], tls->names.strict ? "true" : "false",
                  records[tls->records]);
    buffer_printf(out, "    tickets = %u,\n", tls->tickets);
    print_words(out, "ticket_keys", tls->ticket_keys);
    print_clients(out, tls);
    buffer_append_text(out, "  },\n");
}
