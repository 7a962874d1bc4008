#include "config/tracing.h"

#include "base/file.h"
#include "http/field_rules.h"
#include "http/target.h"
#include "lua/fields.h"

#include <math.h>

enum { HEADERS_MAX = 16, SLOW_MAX_S = 3600 };

static const char hidden_value[] = "****************";
static const char *const always_names[] = {"failed", "retried", "slow", NULL};
static const char *const trust_names[] = {"trusted_proxies", "all", "none", NULL};

/* --- where to --- */

static const char *check_authority(struct slice authority, bool is_https)
{
    bool has_port = host_without_port(authority).length < authority.length;
    struct buffer text = {0};
    struct address to;
    const char *wrong;

    if (authority.length == 0 || !host_is_valid(authority))
        return "the host is missing, or is none";
    buffer_append(&text, authority);
    if (!has_port)
        buffer_append_text(&text, is_https ? ":443" : ":80");
    wrong = address_parse(&to, buffer_slice(&text), false);
    buffer_dispose(&text);
    return wrong;
}

static const char *check_url(struct slice url)
{
    bool is_https = slice_begins_nocase(url, SLICE("https://"));
    struct slice rest = slice_from(url, is_https ? strlen("https://") : strlen("http://"));
    const char *path = rest.length > 0 ? memchr(rest.start, '/', rest.length) : NULL;
    const char *wrong = check_authority(
        path != NULL ? (struct slice){rest.start, (size_t)(path - rest.start)} : rest, is_https);

    if (wrong != NULL)
        return wrong;
    if (path == NULL || path + 1 == rest.start + rest.length)
        return "the path is missing, which is usually /v1/traces";
    rest = slice_from(rest, (size_t)(path - rest.start));
    return target_is_origin(rest) ? NULL : "its path has bytes that are sent as %20 and the like";
}

static void read_to(struct config_tracing *t, struct fields *table)
{
    struct slice url;
    const char *wrong = NULL;

    if (!fields_text(table, "to", 0, &url)) {
        fields_fail(table, NULL, 0,
                    "to is missing: add to = \"http://127.0.0.1:4318/v1/traces\", where a "
                    "collector takes OTLP");
        return;
    }
    if (!slice_begins_nocase(url, SLICE("http://")) && !slice_begins_nocase(url, SLICE("https://")))
        wrong = "expected http:// or https:// in front, as in \"http://127.0.0.1:4318/v1/traces\"";
    else if (url.length >= sizeof t->to)
        wrong = "a URL has 511 bytes at most";
    else
        wrong = check_url(url);
    if (wrong != NULL)
        fields_fail(table, "to", 0, "%s", wrong);
    else
        memcpy(t->to, url.start, url.length);
}

/* --- headers --- */

static void put_text(struct config_tracing *t, struct slice text)
{
    memcpy(t->headers + t->headers_bytes, text.start, text.length);
    t->headers_bytes += (uint32_t)text.length + 1; /* there are zeros */
}

bool tracing_next_header(const struct config_tracing *t, size_t *at, struct slice *name,
                         struct slice *value)
{
    if (*at >= t->headers_bytes)
        return false;
    *name = slice_of(t->headers + *at);
    *value = slice_of(t->headers + *at + name->length + 1);
    *at += name->length + 1 + value->length + 1;
    return true;
}

static const char *objection_to_header(struct slice name, struct slice value)
{
    switch (field_check(FIELD_IN_FETCH, name, &value)) {
    case FIELD_BAD_NAME:
        return "is no name of a header";
    case FIELD_BAD_VALUE:
        return "has line ends, or other control bytes";
    case FIELD_OURS:
        return "is a header that lb sets itself";
    default:
        return slice_is_nocase(name, SLICE("content-type")) || slice_is_nocase(name, SLICE("host"))
                   ? "is a header that lb sets itself"
                   : NULL;
    }
}

static void read_headers(struct config_tracing *t, struct fields *table)
{
    struct slice name = {NULL, 0}, value;
    struct fields headers;
    unsigned count = 0;

    if (!fields_enter(&headers, table, "headers", 0))
        return;
    while (fields_next_pair(&headers, &name, &value)) {
        const char *objection = objection_to_header(name, value);

        if (objection != NULL)
            fields_fail(&headers, NULL, 0, "'%.80s' %s", name.start, objection);
        else if (++count > HEADERS_MAX ||
                 t->headers_bytes + name.length + value.length + 2 > sizeof t->headers)
            fields_fail(&headers, NULL, 0, "at most %d headers, of %zu bytes", HEADERS_MAX,
                        sizeof t->headers);
        else {
            put_text(t, name);
            put_text(t, value);
        }
    }
    fields_leave(&headers);
}

bool tracing_headers_differ(const struct config_tracing *a, const struct config_tracing *b)
{
    return memcmp(a->headers, b->headers, sizeof a->headers) != 0;
}

/* --- tls --- */

static void read_path(struct fields *table, const char *name, char room[CONFIG_TRACING_PATH_BYTES])
{
    const char *objection;
    struct slice path;

    if (!fields_text(table, name, 0, &path))
        return;
    objection = file_objection_to(path);
    if (objection == NULL && path.length >= CONFIG_TRACING_PATH_BYTES)
        objection = "the path is too long";
    if (objection != NULL)
        fields_fail(table, name, 0, "%s", objection);
    else
        memcpy(room, path.start, path.length);
}

static void check_tls(const struct config_tracing *t, struct fields *table)
{
    if (!slice_begins_nocase(slice_of(t->to), SLICE("https://")))
        fields_fail(table, NULL, 0, "to has no TLS: write https:// in front of it");
    if (t->no_verify && t->ca[0] != '\0')
        fields_fail(table, "ca", 0, "nothing is verified: leave out verify = false, or ca");
    if (t->key[0] != '\0' && t->cert[0] == '\0')
        fields_fail(table, "key", 0, "cert is missing, the certificate that the key belongs to");
}

static void read_tls_of_tracing(struct config_tracing *t, struct fields *parent)
{
    static const char *const known[] = {"name", "ca", "cert", "key", "verify", NULL};
    struct fields table;
    struct slice name;
    bool verify = true;

    if (!fields_enter(&table, parent, "tls", 0))
        return;
    fields_check_names(&table, known);
    if (fields_text(&table, "name", 0, &name)) {
        if (name.length < sizeof t->name && tls_remote_is_name(name))
            memcpy(t->name, name.start, name.length);
        else
            fields_fail(&table, "name", 0, "expected a host name or an IP address");
    }
    read_path(&table, "ca", t->ca);
    read_path(&table, "cert", t->cert);
    read_path(&table, "key", t->key);
    fields_flag(&table, "verify", &verify);
    t->no_verify = !verify;
    check_tls(t, &table);
    fields_leave(&table);
}

/* --- which --- */

static void read_always(void *owner, struct fields *table, const char *name, unsigned position)
{
    struct config_tracing *t = owner;
    struct slice text;

    if (!fields_text(table, name, position, &text))
        return;
    for (unsigned i = 0; always_names[i] != NULL; i++)
        if (slice_is(text, slice_of(always_names[i]))) {
            t->always |= 1u << i;
            return;
        }
    fields_fail(table, name, position, "expected 'failed', 'retried' or 'slow'");
}

static void read_which(struct config_tracing *t, struct fields *table)
{
    static const struct fields_range parts = {0, 1, false, false, NULL};
    static const struct fields_range times = {0.001, SLOW_MAX_S, false, false, "seconds"};
    double part = 0.01, slow_s = 1;
    unsigned trust;

    (void)fields_number(table, "part", 0, &parts, &part);
    (void)fields_number(table, "slow_s", 0, &times, &slow_s);
    t->sampled_below = (uint64_t)ldexp(part, CONFIG_TRACING_PART_BITS);
    t->slow_us = (uint64_t)(slow_s * 1e6 + 0.5);
    if (fields_type(table, "always", 0) == FIELDS_NOTHING)
        t->always = TRACING_FAILED | TRACING_RETRIED | TRACING_SLOW;
    else
        fields_texts(table, "always", 3, read_always, t,
                     "\"failed\", \"retried\", \"slow\" or a list of them");
    if (fields_choice(table, "trust", trust_names, &trust))
        t->trust = trust;
}

static void read_service(struct config_tracing *t, struct fields *table)
{
    struct slice text = SLICE("lb");

    (void)fields_text(table, "service", 0, &text);
    if (text.length == 0 || text.length >= sizeof t->service)
        fields_fail(table, "service", 0, "expected a name of 1 to %zu bytes",
                    sizeof t->service - 1);
    else
        memcpy(t->service, text.start, text.length);
}

void tracing_read(struct config_tracing *t, struct fields *root)
{
    static const char *const known[] = {"to",     "headers", "tls",     "part", "always",
                                        "slow_s", "trust",   "service", NULL};
    struct fields table;

    if (!fields_enter(&table, root, "tracing", 0))
        return;
    fields_check_names(&table, known);
    read_to(t, &table);
    read_headers(t, &table);
    read_tls_of_tracing(t, &table);
    read_which(t, &table);
    read_service(t, &table);
    fields_leave(&table);
}

/* --- printed --- */

static void print_member(struct buffer *out, const char *before, const char *name, const char *text)
{
    buffer_printf(out, "%s%s = ", before, name);
    config_print_text(out, slice_of(text));
}

static void print_headers(const struct config_tracing *t, struct buffer *out)
{
    struct slice name, value;
    size_t at = 0;

    if (t->headers_bytes == 0)
        return;
    buffer_append_text(out, "    headers = {");
    while (tracing_next_header(t, &at, &name, &value)) {
        buffer_append_text(out, " [");
        config_print_text(out, name);
        buffer_printf(out, "] = \"%s\",", hidden_value);
    }
    buffer_append_text(out, " },\n");
}

static void print_tls(const struct config_tracing *t, struct buffer *out)
{
    const struct {
        const char *name, *text;
    } members[] = {{"name", t->name}, {"ca", t->ca}, {"cert", t->cert}, {"key", t->key}};

    if (!slice_begins_nocase(slice_of(t->to), SLICE("https://")))
        return;
    buffer_printf(out, "    tls = { verify = %s", t->no_verify ? "false" : "true");
    for (unsigned i = 0; i < sizeof members / sizeof *members; i++)
        if (members[i].text[0] != '\0')
            print_member(out, ", ", members[i].name, members[i].text);
    buffer_append_text(out, " },\n");
}

void tracing_print(const struct config_tracing *t, struct buffer *out)
{
    const char *before = "";

    if (!tracing_is_on(t))
        return;
    print_member(out, "  tracing = {\n    ", "to", t->to);
    buffer_printf(out, ",\n    part = %.15g,\n    always = { ",
                  ldexp((double)t->sampled_below, -CONFIG_TRACING_PART_BITS));
    for (unsigned i = 0; always_names[i] != NULL; i++) {
        if ((t->always >> i & 1) == 0)
            continue;
        buffer_printf(out, "%s\"%s\"", before, always_names[i]);
        before = ", ";
    }
    buffer_printf(out, " },\n    slow_s = %.15g,\n    trust = \"%s\",\n", (double)t->slow_us / 1e6,
                  trust_names[t->trust]);
    print_member(out, "    ", "service", t->service);
    buffer_append_text(out, ",\n");
    print_headers(t, out);
    print_tls(t, out);
    buffer_append_text(out, "  },\n");
}
