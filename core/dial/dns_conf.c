#include "dial/dns_conf.h"

#include "net/address.h"

#include <stdio.h>

enum { NDOTS_MAX = 15, TIMEOUT_MAX_S = 30, ATTEMPTS_MAX = 5 };

static struct slice take_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    for (size_t i = 0; i < rest->length; i++)
        if (ascii_is_blank(rest->start[i])) {
            struct slice word = {rest->start, i};

            *rest = slice_from(*rest, i);
            return word;
        }
    return slice_take_until(rest, '\0');
}

static void read_server(struct dns_conf *conf, struct slice rest)
{
    if (conf->servers_count < DNS_SERVERS_MAX &&
        address_parse_ip(&conf->servers[conf->servers_count], take_word(&rest), DNS_PORT))
        conf->servers_count++;
}

/* The last line of search or domain holds. */
static void read_search(struct dns_conf *conf, struct slice rest)
{
    struct slice word;

    conf->search_count = 0;
    while ((word = take_word(&rest)).length > 0 && conf->search_count < DNS_SEARCH_MAX) {
        word.length -= word.start[word.length - 1] == '.';
        if (word.length >= DNS_ASKED_BYTES) /* of "." alone nothing is left: the root */
            continue;
        *slice_put(conf->search[conf->search_count++], word) = '\0';
    }
}

static void read_number(struct slice option, const char *name, unsigned least, unsigned most,
                        unsigned *number)
{
    unsigned value = 0;

    if (!slice_begins(option, slice_of(name)) || option.length == strlen(name))
        return;
    for (size_t i = strlen(name); i < option.length; i++) {
        if (!ascii_is_digit(option.start[i]))
            return;
        value = value > most ? value : value * 10 + (unsigned)(option.start[i] - '0');
    }
    *number = value < least ? least : value > most ? most : value;
}

static void read_options(struct dns_conf *conf, struct slice rest)
{
    struct slice option;

    while ((option = take_word(&rest)).length > 0) {
        read_number(option, "ndots:", 0, NDOTS_MAX, &conf->ndots);
        read_number(option, "timeout:", 1, TIMEOUT_MAX_S, &conf->timeout_s);
        read_number(option, "attempts:", 1, ATTEMPTS_MAX, &conf->attempts);
    }
}

/* A server that is silent for 2 s is lost, unless resolv.conf says otherwise: 5 s, as the C library
 * has it, are long for who waits. */
void dns_conf_read(struct dns_conf *conf, struct slice text)
{
    *conf = (struct dns_conf){.ndots = 1, .timeout_s = 2, .attempts = 2};
    while (text.length > 0) {
        struct slice line = slice_take_until(&text, '\n'), word;

        line = slice_trim_lines(line);
        word = take_word(&line);
        if (slice_is(word, SLICE("nameserver")))
            read_server(conf, line);
        else if (slice_is(word, SLICE("search")) || slice_is(word, SLICE("domain")))
            read_search(conf, line);
        else if (slice_is(word, SLICE("options")))
            read_options(conf, line);
    }
    if (conf->servers_count == 0)
        conf->servers_count = address_parse_ip(&conf->servers[0], SLICE("127.0.0.1"), DNS_PORT);
}

static unsigned count_dots(const char *name)
{
    unsigned dots = 0;

    for (; *name != '\0'; name++)
        dots += *name == '.';
    return dots;
}

static bool join(char candidate[DNS_ASKED_BYTES], const char *name, const char *domain)
{
    int length =
        snprintf(candidate, DNS_ASKED_BYTES, "%s%s%s", name, domain[0] != '\0' ? "." : "", domain);

    return length > 0 && length < DNS_ASKED_BYTES;
}

/* One that is too long is not left out, so that indices stay; nobody has such a name. */
bool dns_conf_candidate(const struct dns_conf *conf, const char *name, unsigned index,
                        char candidate[DNS_ASKED_BYTES])
{
    size_t length = strlen(name);
    bool first = count_dots(name) >= conf->ndots;

    if (length > 0 && name[length - 1] == '.') {
        if (index > 0 || !join(candidate, name, ""))
            return false;
        candidate[length - 1] = '\0';
        return true;
    }
    if (index > conf->search_count)
        return false;
    if (index == (first ? 0 : conf->search_count))
        return join(candidate, name, "");
    return join(candidate, name, conf->search[first ? index - 1 : index]) ||
           join(candidate, ".", "");
}
