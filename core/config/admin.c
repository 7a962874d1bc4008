#include "config/admin.h"

#include "base/log.h"
#include "config/addresses.h"
#include "config/itself.h"
#include "http/target.h"
#include "lua/fields.h"

enum { TOKEN_BYTES_MIN = 16 };

static const char hidden_token[] = "****************";

/* --- listen --- */

void admin_format_listen(const struct address *address, struct buffer *out)
{
    if (address->kind == ADDRESS_UNIX)
        buffer_printf(out, "unix:%s", address->host);
    else
        address_format(out, &address->socket.any);
}

static bool is_same(const struct address *a, const struct address *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == ADDRESS_UNIX)
        return strcmp(a->host, b->host) == 0;
    return a->port != 0 &&
           memcmp(&a->socket, &b->socket, (size_t)address_length(&a->socket.any)) == 0;
}

static void read_listen(void *owner, struct fields *table, const char *name, unsigned position)
{
    struct config_admin *admin = owner;
    struct buffer full = {0};
    struct address address = {0};
    struct slice text;
    const char *words;

    if (!fields_text(table, name, position, &text))
        return;
    words = addresses_parse_listen(&address, slice_trim(text), &full);
    buffer_dispose(&full);
    for (unsigned i = 0; words == NULL && i < admin->listen_count; i++)
        if (is_same(&admin->listen[i], &address))
            words = "listed twice";
    if (words != NULL)
        fields_fail(table, name, position, "'%.*s': %s", text.length > 80 ? 80 : (int)text.length,
                    text.start, words);
    else
        admin->listen[admin->listen_count++] = address;
}

/* --- token, hosts --- */

/* It goes into a header field, and nobody may guess it. */
static void read_token(struct config_admin *admin, struct fields *table)
{
    struct slice text;

    if (!fields_text(table, "token", 0, &text))
        return;
    for (size_t i = 0; i < text.length; i++)
        if (text.start[i] <= ' ' || text.start[i] > '~') {
            fields_fail(table, "token", 0, "a token has only ASCII signs, and no space");
            return;
        }
    if (text.length < TOKEN_BYTES_MIN || text.length >= sizeof admin->token)
        fields_fail(table, "token", 0,
                    "expected %d to %d characters, got %zu: one could be guessed", TOKEN_BYTES_MIN,
                    CONFIG_ADMIN_TOKEN_BYTES - 1, text.length);
    else
        memcpy(admin->token, text.start, text.length);
}

static void read_host(void *owner, struct fields *table, const char *name, unsigned position)
{
    struct config_admin *admin = owner;
    struct slice text;
    char *host;

    if (!fields_text(table, name, position, &text))
        return;
    text = slice_trim(text);
    if (text.length >= CONFIG_ADMIN_HOST_BYTES || !host_is_valid(text) || text.length == 0 ||
        host_port(text).length > 0) {
        fields_fail(table, name, position,
                    "expected a host name without a port, as in "
                    "\"lb.internal\"");
        return;
    }
    host = admin->hosts[admin->hosts_count++];
    for (size_t i = 0; i < text.length; i++)
        host[i] = ascii_lower(text.start[i]);
}

/* --- all of it --- */

static void check_reach(const struct config_admin *admin, struct fields *table, const char *name)
{
    for (unsigned i = 0; i < admin->listen_count && admin->token[0] == '\0'; i++) {
        struct buffer text = {0};

        if (admin->listen[i].kind == ADDRESS_UNIX ||
            itself_is_loopback(&admin->listen[i].socket.any))
            continue;
        admin_format_listen(&admin->listen[i], &text);
        fields_fail(table, name, 0,
                    "admin listens on %s, which anybody can reach: add admin.token, or listen on "
                    "127.0.0.1 or unix:/run/lb/admin.sock",
                    buffer_text(&text));
        buffer_dispose(&text);
    }
}

static void read_admin_table(struct config_admin *admin, struct fields *root)
{
    static const char *const known[] = {"listen", "token", "hosts", NULL};
    struct fields table;

    if (!fields_enter(&table, root, "admin", 0))
        return;
    fields_check_names(&table, known);
    fields_texts(&table, "listen", CONFIG_ADMIN_LISTEN_MAX, read_listen, admin,
                 "an address or a list of them");
    read_token(admin, &table);
    fields_texts(&table, "hosts", CONFIG_ADMIN_HOSTS_MAX, read_host, admin,
                 "a host name or a list of them");
    if (admin->listen_count == 0)
        fields_fail(&table, NULL, 0,
                    "admin listens nowhere: add listen = \"unix:/run/lb/admin.sock\"");
    check_reach(admin, &table, "listen");
    fields_leave(&table);
}

void admin_read(struct config_admin *admin, struct fields *root)
{
    enum fields_type type = fields_type(root, "admin", 0);

    if (type == FIELDS_TEXT) {
        read_listen(admin, root, "admin", 0);
        check_reach(admin, root, "admin");
    } else if (type == FIELDS_TABLE) {
        read_admin_table(admin, root);
    } else if (type != FIELDS_NOTHING) {
        fields_expected(root, "admin", 0,
                        "an address, as in \"unix:/run/lb/admin.sock\", or a table");
    }
}

/* --- printed --- */

static void print_address(const struct address *address, struct buffer *out)
{
    struct buffer text = {0};

    admin_format_listen(address, &text);
    config_print_text(out, buffer_slice(&text));
    buffer_dispose(&text);
}

void admin_print(const struct config_admin *admin, struct buffer *out)
{
    if (admin->listen_count == 0)
        return;
    buffer_append_text(out, "  admin = {\n    listen = { ");
    for (unsigned i = 0; i < admin->listen_count; i++) {
        buffer_append_text(out, i > 0 ? ", " : "");
        print_address(&admin->listen[i], out);
    }
    buffer_append_text(out, " },\n");
    if (admin->token[0] != '\0')
        buffer_printf(out, "    token = \"%s\",\n", hidden_token);
    if (admin->hosts_count > 0) {
        buffer_append_text(out, "    hosts = {");
        for (unsigned i = 0; i < admin->hosts_count; i++) {
            buffer_append_text(out, i > 0 ? ", " : " ");
            config_print_text(out, slice_of(admin->hosts[i]));
        }
        buffer_append_text(out, " },\n");
    }
    buffer_append_text(out, "  },\n");
}

/* --- for the roster --- */

static void put_text(char *room, size_t bytes, const char *text)
{
    size_t length = strlen(text);

    memcpy(room, text, length < bytes ? length : bytes - 1);
}

void admin_describe(const struct config *config, unsigned i, struct roster_entry *out)
{
    const struct config_backend *backend = &config->backends[i];
    struct buffer tags = {0};
    size_t end = 0;

    memset(out, 0, sizeof *out);
    put_text(out->name, sizeof out->name, backend->name);
    put_text(out->address, sizeof out->address, backend->written);
    for (unsigned t = 0; t < backend->tags.count; t++) {
        const struct config_pair *tag = &backend->tags.list[t];

        buffer_append_text(&tags, end > 0 ? ",\"" : "\"");
        log_append_escaped(&tags, slice_of(tag->name), sizeof out->tags, LOG_JSON);
        buffer_append_text(&tags, "\":\"");
        log_append_escaped(&tags, slice_of(tag->value), sizeof out->tags, LOG_JSON);
        buffer_append_byte(&tags, '"');
        if (buffer_length(&tags) < sizeof out->tags)
            end = buffer_length(&tags);
        else
            tags.end = tags.start + end;
    }
    memcpy(out->tags, buffer_slice(&tags).start, end);
    out->weight = backend->weight;
    out->max_in_flight = backend->max_in_flight;
    out->ramp_ms = (uint32_t)config->health.slow_start_ms;
    buffer_dispose(&tags);
}
