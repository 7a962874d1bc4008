#include "config/remotes.h"

#include "base/file.h"
#include "base/mem.h"
#include "config/certificates.h"
#include "lua/fields.h"

#include <stdio.h>

/* --- the entries --- */

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool says_the_same(const struct config_remote *a, const struct config_remote *b)
{
    return a->verify == b->verify && is_same(a->ca, b->ca) && is_same(a->cert, b->cert) &&
           is_same(a->key, b->key);
}

static void free_paths(struct config_remote *remote)
{
    mem_free(remote->ca);
    mem_free(remote->cert);
    mem_free(remote->key);
}

/* Takes the paths. */
static unsigned remotes_add(struct config *config, struct config_remote *remote)
{
    struct config_tls *tls = &config->tls;
    unsigned count = tls->remotes_count;

    for (unsigned i = 0; i < count; i++)
        if (says_the_same(&tls->remotes[i], remote)) {
            free_paths(remote);
            return i;
        }
    if ((count & (count - 1)) == 0)
        tls->remotes =
            mem_realloc(tls->remotes, (count > 0 ? count * 2 : 1) * sizeof *tls->remotes);
    remote->backend = config->backends_count - 1;
    tls->remotes[count] = *remote;
    return tls->remotes_count++;
}

static void set_name(struct config_backend *backend, struct slice name)
{
    if (name.length > 1 && name.start[name.length - 1] == '.')
        name.length--; /* the root is no part of a certificate's names */
    mem_free(backend->tls_name);
    backend->tls_name = mem_copy(name.start, name.length);
}

void remotes_set_default(struct config *config, struct config_backend *backend)
{
    struct config_remote remote = {.verify = true};
    bool has_host = backend->address.kind != ADDRESS_UNIX;

    backend->remote = remotes_add(config, &remote);
    set_name(backend, has_host ? slice_of(backend->address.host) : SLICE(""));
}

bool remotes_have_files(const struct config_tls *tls)
{
    for (unsigned i = 0; i < tls->remotes_count; i++)
        if (tls->remotes[i].ca != NULL || tls->remotes[i].cert != NULL)
            return true;
    return false;
}

/* --- the table --- */

/* NULL: the path is missing or wrong. */
static char *read_path(struct fields *table, const char *name)
{
    const char *objection;
    struct slice path;

    if (!fields_text(table, name, 0, &path))
        return NULL;
    objection = file_objection_to(path);
    if (objection == NULL)
        return mem_copy(path.start, path.length);
    fields_fail(table, name, 0, "%s", objection);
    return NULL;
}

static void read_name(struct fields *table, struct config_backend *backend)
{
    struct slice name;

    if (!fields_text(table, "name", 0, &name))
        return;
    if (tls_remote_is_name(name))
        set_name(backend, name);
    else
        fields_fail(table, "name", 0, "expected a host name or an IP address");
}

static void check(const struct config_remote *remote, const struct config_backend *backend,
                  struct fields *table)
{
    if (!remote->verify && remote->ca != NULL)
        fields_fail(table, "ca", 0, "nothing is verified: leave out verify = false, or ca");
    if (remote->key != NULL && remote->cert == NULL)
        fields_fail(table, "key", 0, "cert is missing, the certificate that the key belongs to");
    if (remote->verify && backend->tls_name[0] == '\0')
        fields_fail(table, NULL, 0,
                    "name is missing: a path has no host, and the certificate has to have a name");
}

static void read_remote_table(struct config *config, struct fields *table,
                              struct config_backend *backend)
{
    static const char *const known[] = {"name", "ca", "cert", "key", "verify", NULL};
    struct config_remote remote = {.verify = true};

    fields_check_names(table, known);
    read_name(table, backend);
    remote.ca = read_path(table, "ca");
    remote.cert = read_path(table, "cert");
    remote.key = read_path(table, "key");
    fields_flag(table, "verify", &remote.verify);
    check(&remote, backend, table);
    backend->remote = remotes_add(config, &remote);
}

void remotes_read(struct config *config, struct fields *entry, struct config_backend *backend)
{
    bool has_tls = config_backend_has_tls(backend);
    enum fields_type type = fields_type(entry, "tls", 0);
    struct fields table;

    if (type == FIELDS_NOTHING && has_tls && backend->tls_name[0] == '\0')
        fields_fail(entry, "address", 0,
                    "a path has no host: say which name the certificate has to have, as in "
                    "tls = { name = \"api.internal\" }");
    if (type == FIELDS_NOTHING)
        return;
    if (!has_tls)
        fields_fail(entry, "tls", 0, "the address has no TLS: write https:// before it");
    else if (fields_enter(&table, entry, "tls", 0)) {
        read_remote_table(config, &table, backend);
        fields_leave(&table);
    }
}

/* --- as a script --- */

static void print_text(struct buffer *out, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    buffer_printf(out, ", %s = ", name);
    config_print_text(out, slice_of(text));
}

void remotes_print(const struct config *config, const struct config_backend *backend,
                   struct buffer *out)
{
    const struct config_remote *remote;

    if (!config_backend_has_tls(backend))
        return;
    remote = &config->tls.remotes[backend->remote];
    buffer_printf(out, ", tls = { verify = %s", remote->verify ? "true" : "false");
    print_text(out, "name", backend->tls_name);
    print_text(out, "ca", remote->ca);
    print_text(out, "cert", remote->cert);
    print_text(out, "key", remote->key);
    buffer_append_text(out, " }");
}

/* --- as rules --- */

struct tls_remote_rules remotes_rules(const struct config_tls *tls, unsigned remote)
{
    struct tls_remote_rules rules = {.verify = tls->remotes[remote].verify};
    struct slice rest = tls->files;
    struct certificate certificate;
    struct remote_ca ca;

    while (tls->remotes[remote].cert != NULL && certificates_next(&rest, &certificate))
        if (certificate.remote == (int)remote)
            rules.own = certificate.pem;
    rest = tls->files;
    while (tls->remotes[remote].ca != NULL && certificates_next_ca(&rest, &ca))
        if (ca.remote == remote)
            rules.ca = ca.pem;
    return rules;
}

void remotes_try(const struct config_tls *tls, struct fields_wrong *wrong)
{
    struct buffer words = {0};

    for (unsigned i = 0; i < tls->remotes_count && !wrong->is_set; i++) {
        struct tls_remote_rules rules = remotes_rules(tls, i);

        buffer_clear(&words);
        if (tls_remote_try(&rules, &words))
            continue;
        wrong->is_set = true;
        snprintf(wrong->path, sizeof wrong->path, "backends[%u].tls", tls->remotes[i].backend + 1);
        buffer_printf(&wrong->message, "%s: %s", wrong->path, buffer_text(&words));
    }
    buffer_dispose(&words);
}
