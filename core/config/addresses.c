#include "config/addresses.h"

#include "base/mem.h"
#include "config/remotes.h"
#include "config/sources.h"
#include "shared/segment.h"

enum { SHOWN_BYTES_MAX = 80, PROPOSED_MAX = 3 };

/* The next of several texts with commas between them; false after the last, when rest is NULL. */
static bool next_of_list(struct slice *rest, struct slice *item)
{
    struct slice all = *rest, taken;

    if (all.start == NULL)
        return false;
    taken = slice_take_until(rest, ',');
    *item = slice_trim(taken);
    if (taken.length == all.length)
        *rest = (struct slice){NULL, 0};
    return true;
}

static int shown_length(struct slice s)
{
    return s.length > SHOWN_BYTES_MAX ? SHOWN_BYTES_MAX : (int)s.length;
}

static bool wrong_address(struct buffer *wrong, struct slice text, const char *words)
{
    if (text.length > 0)
        buffer_printf(wrong, "'%.*s': ", shown_length(text), text.start);
    buffer_append_text(wrong, words);
    return false;
}

static struct slice without_scheme(struct slice text)
{
    if (slice_begins_nocase(text, SLICE("http://")))
        return slice_from(text, 7);
    return text;
}

/* --- listen --- */

const char *addresses_parse_listen(struct address *address, struct slice text, struct buffer *full)
{
    const char *words;

    if (slice_begins_nocase(text, SLICE("https://")))
        return "an address with TLS is a table in the list: { { \":443\", tls = true } }";
    if (text.length > 0 && text.start[0] == ':')
        buffer_append_text(full, "[::]");
    buffer_append(full, text);
    words = address_parse(address, buffer_slice(full), true);
    if (words != NULL)
        return words;
    if (address->kind != ADDRESS_NAME)
        return NULL;
    if (!slice_is_nocase(slice_of(address->host), SLICE("localhost")))
        return "cannot listen on a name: write an address of this machine, or :port for all of "
               "them";
    buffer_clear(full);
    buffer_printf(full, "127.0.0.1:%u", address->port);
    return address_parse(address, buffer_slice(full), true);
}

/* Only a port: on all addresses, or on which one? */
static bool is_digits(struct slice text)
{
    size_t digits = 0;

    while (digits < text.length && ascii_is_digit(text.start[digits]))
        digits++;
    return digits > 0 && digits == text.length;
}

static bool listens_on(const struct config *config, const struct address *address)
{
    socklen_t length = address_length(&address->socket.any);

    for (unsigned i = 0; i < config->listen_count; i++)
        if (memcmp(&config->listen[i].address.socket, &address->socket, length) == 0)
            return true;
    return false;
}

static bool add_listen(struct config *config, struct slice text, struct buffer *wrong)
{
    struct buffer full = {0};
    struct address address;
    const char *words = addresses_parse_listen(&address, text, &full);

    if (words == NULL && address.kind == ADDRESS_UNIX)
        words = "listening on a unix socket is not available in this version";
    if (words == NULL && address.port != 0 && listens_on(config, &address))
        words = "listed twice";
    if (words == NULL && config->listen_count == ADDRESSES_LISTEN_MAX)
        words = "too many addresses: 64 at most";
    if (words != NULL) {
        buffer_dispose(&full);
        if (!is_digits(text))
            return wrong_address(wrong, text, words);
        buffer_printf(wrong, "'%.*s' is a port alone: write ':%.*s' for all addresses",
                      shown_length(text), text.start, shown_length(text), text.start);
        return false;
    }
    config->listen =
        mem_realloc(config->listen, (config->listen_count + 1) * sizeof *config->listen);
    buffer_clear(&full);
    address_format(&full, &address.socket.any);
    config->listen[config->listen_count++] =
        (struct config_listen){.written = mem_copy(text.start, text.length),
                               .text = mem_copy(buffer_slice(&full).start, buffer_length(&full)),
                               .address = address};
    buffer_dispose(&full);
    return true;
}

/* A list in a long string has its line ends between the addresses. */
bool addresses_add_listen(struct config *config, struct slice text, struct buffer *wrong)
{
    struct slice item;

    while (next_of_list(&text, &item))
        if (!add_listen(config, slice_trim_lines(item), wrong))
            return false;
    return true;
}

bool addresses_add_given_listen(struct config *config, struct slice text, struct buffer *wrong)
{
    struct slice item;

    while (next_of_list(&text, &item)) {
        bool has_tls, has_h2c;

        item = slice_trim_lines(item);
        has_tls = slice_begins_nocase(item, SLICE("https://"));
        has_h2c = slice_begins_nocase(item, SLICE("h2c://"));
        item = has_tls ? slice_from(item, 8) : has_h2c ? slice_from(item, 6) : without_scheme(item);
        if (!add_listen(config, item, wrong))
            return false;
        config->listen[config->listen_count - 1].tls = has_tls;
        config->listen[config->listen_count - 1].h2c = has_h2c;
    }
    return true;
}

/* --- backends --- */

static bool is_backend_name(struct slice name)
{
    if (name.length > ADDRESSES_NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if ((unsigned char)name.start[i] < 0x20 || name.start[i] == 0x7f)
            return false;
    return true;
}

static bool has_backend(const struct config *config, struct slice name)
{
    for (unsigned i = 0; i < config->backends_count; i++)
        if (slice_is(slice_of(config->backends[i].name), name))
            return true;
    return false;
}

bool addresses_check_name(const struct config *config, struct slice name, struct buffer *wrong)
{
    if (!is_backend_name(name)) {
        buffer_printf(wrong, "a name has %d bytes at most, and no control bytes",
                      ADDRESSES_NAME_BYTES);
        return false;
    }
    if (slice_is_dots(name)) {
        buffer_append_text(wrong, "'.' and '..' are no names: no URL has them");
        return false;
    }
    if (has_backend(config, name)) {
        buffer_printf(wrong, "two backends are called '%.*s': give them different names",
                      shown_length(name), name.start);
        return false;
    }
    if (config->backends_count == SEGMENT_BACKENDS_MAX) {
        buffer_printf(wrong, "too many backends: %d at most", SEGMENT_BACKENDS_MAX);
        return false;
    }
    return true;
}

/* "a:1, b:2" as one element of a list. */
static void propose_list(struct buffer *wrong, struct slice text)
{
    struct slice rest = text, item;

    (void)wrong_address(wrong, text, "a list has one address in each text: {");
    for (int i = 0; i < PROPOSED_MAX && next_of_list(&rest, &item); i++)
        buffer_printf(wrong, "%s \"%.*s\"", i > 0 ? "," : "", shown_length(item), item.start);
    buffer_append_text(wrong, rest.start != NULL ? ", ... }" : " }");
}

/* What stands before it goes. */
static enum config_scheme take_scheme(struct slice *text)
{
    static const struct {
        struct slice written;
        enum config_scheme scheme;
    } schemes[] = {{{"http://", 7}, CONFIG_HTTP},
                   {{"https://", 8}, CONFIG_HTTPS},
                   {{"h2c://", 6}, CONFIG_H2C},
                   {{"h2://", 5}, CONFIG_H2}};

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!slice_begins_nocase(*text, schemes[i].written))
            continue;
        *text = slice_from(*text, schemes[i].written.length);
        return schemes[i].scheme;
    }
    return CONFIG_HTTP;
}

/* Doubles at each power of two, so that thousands do not cost thousands of moves. */
static struct config_backend *grow_backends(struct config *config)
{
    unsigned count = config->backends_count;

    if ((count & (count - 1)) == 0)
        config->backends =
            mem_realloc(config->backends, (count > 0 ? count * 2 : 1) * sizeof *config->backends);
    return &config->backends[config->backends_count++];
}

struct config_backend *addresses_add_backend(struct config *config, struct slice text,
                                             struct slice name, struct buffer *wrong)
{
    struct config_backend *backend;
    enum config_scheme scheme;
    struct address address;
    struct slice written;
    const char *words;

    written = text = slice_trim_lines(text);
    if (memchr(text.start, ',', text.length) != NULL && !slice_begins(text, SLICE("unix:"))) {
        propose_list(wrong, text);
        return NULL;
    }
    scheme = take_scheme(&text);
    words = address_parse(&address, scheme == CONFIG_HTTP ? written : text, false);
    if (words == NULL && scheme != CONFIG_HTTP && slice_begins_nocase(text, SLICE("http://")))
        words = "two schemes";
    if (words != NULL) {
        wrong_address(wrong, written, words);
        return NULL;
    }
    if (scheme == CONFIG_HTTP)
        written = text;
    if (name.length == 0)
        name = text;
    if (!addresses_check_name(config, name, wrong))
        return NULL;
    backend = grow_backends(config);
    *backend = (struct config_backend){.name = mem_copy(name.start, name.length),
                                       .written = mem_copy(written.start, written.length),
                                       .address = address,
                                       .scheme = scheme,
                                       .slot = config->backends_count - 1,
                                       .weight = 1};
    backend->text = backend->written + (written.length - text.length);
    if (config_backend_has_tls(backend))
        remotes_set_default(config, backend);
    return backend;
}

bool addresses_add_backend_text(struct config *config, struct slice text, struct buffer *wrong)
{
    struct slice trimmed = slice_trim_lines(text);

    if (sources_is(trimmed))
        return sources_add(config, trimmed, wrong);
    return addresses_add_backend(config, text, (struct slice){"", 0}, wrong) != NULL;
}

bool addresses_add_backends(struct config *config, struct slice text, struct buffer *wrong)
{
    struct slice item;

    while (next_of_list(&text, &item))
        if (!addresses_add_backend_text(config, item, wrong))
            return false;
    return true;
}

/* --- trusted proxies --- */

static bool add_trusted(struct config *config, struct slice text, struct buffer *wrong)
{
    struct network network = {0};
    const char *words = network_parse(&network, text);

    if (words == NULL && config->trusted_proxies_count == ADDRESSES_TRUSTED_MAX)
        words = "too many networks: 1024 at most";
    if (words != NULL)
        return wrong_address(wrong, text, words);
    config->trusted_proxies =
        mem_realloc(config->trusted_proxies,
                    (config->trusted_proxies_count + 1) * sizeof *config->trusted_proxies);
    config->trusted_proxies[config->trusted_proxies_count++] = network;
    return true;
}

bool addresses_add_trusted(struct config *config, struct slice text, struct buffer *wrong)
{
    struct slice item;

    if (slice_trim(text).length == 0)
        return true; /* os.getenv "TRUSTED" or "" */

    while (next_of_list(&text, &item))
        if (!add_trusted(config, slice_trim_lines(item), wrong))
            return false;
    return true;
}
