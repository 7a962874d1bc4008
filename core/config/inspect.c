#include "config/inspect.h"

#include "config/certificates.h"

enum { DAY_S = 86400, DAYS_FEW = 14 };

static void print_days(struct buffer *out, const struct tls_facts *facts, int64_t now_s)
{
    if (facts->not_before > now_s)
        buffer_append_text(out, "not valid yet");
    else if (facts->not_after <= now_s)
        buffer_append_text(out, "expired");
    else
        buffer_printf(out, "%lld days left", (long long)((facts->not_after - now_s) / DAY_S));
}

static void print_names(struct buffer *out, struct slice names)
{
    struct slice name;
    bool is_first = true;

    if (names.length == 0)
        buffer_append_text(out, "all other names");
    for (; certificates_next_name(&names, &name); is_first = false) {
        buffer_append_text(out, is_first ? "" : ", ");
        buffer_append(out, name);
    }
}

/* A path may have any byte. */
static void print_path(struct buffer *out, const char *path)
{
    config_print_text(out, slice_of(path));
}

static void print_certificate(struct buffer *out, const struct certificate *certificate,
                              int64_t now_s)
{
    buffer_append_text(out, "-- certificate ");
    print_path(out, certificate->cert);
    buffer_printf(out, ": %s %u, ", tls_key_name(certificate->facts.key), certificate->facts.bits);
    print_days(out, &certificate->facts, now_s);
    buffer_append_text(out, certificate->remote < 0 ? ", for " : ", shown to backends");
    if (certificate->remote < 0)
        print_names(out, certificate->names);
    buffer_append_byte(out, '\n');
}

static void warn_of_reader(struct buffer *out, const char *path, const char *what)
{
    buffer_append_text(out, "-- warning: ");
    print_path(out, path);
    buffer_printf(out, ": others may read %s: chmod 600\n", what);
}

static void warn_of(struct buffer *out, const struct certificate *certificate, int64_t now_s)
{
    if (certificate->facts.not_after < now_s + DAYS_FEW * DAY_S) {
        buffer_append_text(out, "-- warning: ");
        print_path(out, certificate->cert);
        buffer_append_text(out, ": ");
        print_days(out, &certificate->facts, now_s);
        buffer_append_byte(out, '\n');
    }
    if (certificate->others_may_read)
        warn_of_reader(out, certificate->key, "this private key");
}

/* Warns of names that an earlier certificate has, with the same kind of key: that one is used. */
static void warn_of_twice(struct buffer *out, struct tls_names *seen, unsigned which,
                          const struct certificate *certificate)
{
    struct slice names = certificate->names, name;

    while (certificates_next_name(&names, &name)) {
        if (tls_names_add(&seen[certificate->facts.key], name, which) == which)
            continue;
        buffer_append_text(out, "-- warning: ");
        buffer_append(out, name);
        buffer_append_text(out, " is in two certificates: that before ");
        print_path(out, certificate->cert);
        buffer_append_text(out, " serves it\n");
    }
}

static void warn_of_rsa(const struct tls_names *seen, struct buffer *out)
{
    const struct tls_names *rsa = &seen[TLS_KEY_RSA];
    const char *first = NULL;
    unsigned count = 0;

    for (uint32_t i = 0; i < rsa->size; i++) {
        const struct tls_name *name = &rsa->slots[i];

        if (name->text == NULL || tls_names_has(&seen[TLS_KEY_ECDSA], slice_of(name->text)))
            continue;
        if (first == NULL || strcmp(name->text, first) < 0)
            first = name->text;
        count++;
    }
    if (count == 1)
        buffer_printf(out, "-- warning: %s has an RSA key", first);
    else if (count > 1)
        buffer_printf(out, "-- warning: %s and %u more have RSA keys", first, count - 1);
    if (count > 0)
        buffer_append_text(out, " alone: with one of ECDSA next to it a handshake costs less "
                                "than half of the CPU time\n");
}

static void warn_of_remotes(const struct config_tls *tls, struct buffer *out)
{
    for (unsigned i = 0; i < tls->remotes_count; i++)
        if (!tls->remotes[i].verify)
            buffer_printf(out,
                          "-- warning: backends[%u].tls: verify = false: anybody on the way there "
                          "may answer as this backend\n",
                          tls->remotes[i].backend + 1);
}

/* As the first site has them: they are the same for all. */
static void print_ciphers(struct buffer *out, const struct config_tls *tls)
{
    buffer_append_text(out, "-- ciphers: ");
    tls_site_list_ciphers(&tls->rules[0], out);
    buffer_printf(out, "\n-- groups: %s\n", tls_site_groups(&tls->rules[0]));
}

void inspect_certificates(const struct config_tls *tls, int64_t now_s, struct buffer *out)
{
    struct tls_names seen[TLS_KEY_KINDS] = {0};
    struct slice files = tls->files;
    struct certificate certificate;
    struct ticket_file tickets;

    while (certificates_next(&files, &certificate))
        print_certificate(out, &certificate, now_s);
    if (tls->sites.count > 0)
        print_ciphers(out, tls);
    files = tls->files;
    for (unsigned i = 0; certificates_next(&files, &certificate); i++) {
        warn_of(out, &certificate, now_s);
        if (certificate.remote < 0)
            warn_of_twice(out, seen, i, &certificate);
    }
    warn_of_rsa(seen, out);
    warn_of_remotes(tls, out);
    if (certificates_find_tickets(tls->files, &tickets) && tickets.others_may_read)
        warn_of_reader(out, tickets.path, "these ticket keys");
    for (unsigned i = 0; i < TLS_KEY_KINDS; i++)
        tls_names_dispose(&seen[i]);
}
