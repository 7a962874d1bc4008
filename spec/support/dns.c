/*
 * dns - what core/dial/dns* makes of answers and servers, as text for a spec; and what c-ares' own
 * readers make of the same bytes.
 */
#define CARES_NO_DEPRECATED
#include "dial/dns.h"

#include "base/mem.h"
#include "net/address.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>

enum { READ_MAX = 8192 };

static struct buffer said;

static const char *said_text(void)
{
    for (size_t i = said.start; i < said.end; i++)
        if (said.bytes[i] == '\0')
            said.bytes[i] = '?'; /* of a text of TXT */
    return buffer_text(&said);
}

static void say_address(int family, const void *address)
{
    char text[INET6_ADDRSTRLEN];

    buffer_printf(&said, " %s", inet_ntop(family, address, text, sizeof text));
}

static void say_record(const struct dns_answer *a, const struct dns_record *r)
{
    if (r->type == DNS_SRV)
        buffer_printf(&said, " %u/%u/%u/%s", r->priority, r->weight, r->port,
                      dns_answer_text(a, r));
    else if (r->type == DNS_TXT) {
        buffer_append_text(&said, " '");
        buffer_append(&said, (struct slice){dns_answer_text(a, r), r->data.text.length});
        buffer_append_byte(&said, '\'');
    } else
        say_address(r->type == DNS_A ? AF_INET : AF_INET6, r->data.address);
}

static void say_answer(const struct dns_answer *a)
{
    buffer_append_text(&said, dns_outcome_text(a->outcome));
    if (a->ttl_s != DNS_TTL_UNKNOWN && dns_is_known(a->outcome))
        buffer_printf(&said, " ttl=%u", a->ttl_s);
    for (unsigned i = 0; i < a->count; i++)
        say_record(a, &a->records[i]);
    for (unsigned i = a->count; i < a->count + a->extras; i++) {
        buffer_printf(&said, " +%s", dns_answer_owner(a, &a->records[i]));
        say_record(a, &a->records[i]);
    }
}

/* "found ttl=5 10.0.0.1 10.0.0.2"; "+name address" is an extra one. Until the next call. */
const char *play_dns_read(const char *bytes, size_t length, const char *name, int type)
{
    struct dns_answer answer;
    char *exact = mem_copy(bytes, length);

    buffer_clear(&said);
    dns_answer_read(&answer, (const uint8_t *)exact, length, name, (enum dns_type)type);
    say_answer(&answer);
    dns_answer_dispose(&answer);
    mem_free(exact);
    return said_text();
}

/* --- the second reader --- */

static int read_srv(const unsigned char *bytes, int length)
{
    struct ares_srv_reply *first = NULL;
    int status = ares_parse_srv_reply(bytes, length, &first);

    for (struct ares_srv_reply *r = first; r != NULL; r = r->next)
        buffer_printf(&said, " %u/%u/%u/%s", r->priority, r->weight, r->port, r->host);
    if (first != NULL)
        ares_free_data(first);
    return status;
}

static int read_txt(const unsigned char *bytes, int length)
{
    struct ares_txt_ext *first = NULL;
    int status = ares_parse_txt_reply_ext(bytes, length, &first);

    for (struct ares_txt_ext *r = first; r != NULL; r = r->next) {
        if (r->record_start)
            buffer_printf(&said, "%s '", r == first ? "" : "'");
        buffer_append(&said, (struct slice){(const char *)r->txt, r->length});
    }
    if (first != NULL) {
        buffer_append_byte(&said, '\'');
        ares_free_data(first);
    }
    return status;
}

static int read_addresses(const unsigned char *bytes, int length, int type)
{
    static struct ares_addrttl v4[READ_MAX];
    static struct ares_addr6ttl v6[READ_MAX];
    int count = READ_MAX, status;

    status = type == DNS_A ? ares_parse_a_reply(bytes, length, NULL, v4, &count)
                           : ares_parse_aaaa_reply(bytes, length, NULL, v6, &count);
    for (int i = 0; status == ARES_SUCCESS && i < count; i++)
        say_address(type == DNS_A ? AF_INET : AF_INET6,
                    type == DNS_A ? (void *)&v4[i].ipaddr : (void *)&v6[i].ip6addr);
    return status;
}

/* The records as play_dns_read has them; "" if there are none, NULL if c-ares finds fault. */
const char *play_dns_second(const char *bytes, size_t length, int type)
{
    const unsigned char *data = (const unsigned char *)bytes;
    int status;

    buffer_clear(&said);
    status = type == DNS_SRV   ? read_srv(data, (int)length)
             : type == DNS_TXT ? read_txt(data, (int)length)
                               : read_addresses(data, (int)length, type);
    return status == ARES_SUCCESS || status == ARES_ENODATA ? said_text() : NULL;
}

/* --- servers --- */

static struct loop loop;
static struct dns *dns;
static struct dns_lookup lookups[4];
static char names[4][DNS_ASKED_BYTES];
static bool over[4];

static void on_over(struct dns_lookup *l)
{
    over[l - lookups] = true;
}

/* path: of resolv.conf. server: NULL for its own, or two with a blank between. */
int play_dns_begin(const char *path, const char *servers)
{
    struct sockaddr_in6 own[DNS_SERVERS_MAX];
    struct slice rest = slice_of(servers != NULL ? servers : "");
    unsigned count = 0;

    while (rest.length > 0)
        if (!address_parse_ip(&own[count++], slice_take_until(&rest, ' '), DNS_PORT))
            abort();
    loop_init(&loop);
    dns = dns_take(&loop, path, own, count);
    memset(lookups, 0, sizeof lookups);
    return uv_backend_fd(&loop.uv);
}

void play_dns_turn(void)
{
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

void play_dns_ask(int i, const char *name, int type, int other)
{
    enum dns_type types[] = {(enum dns_type)type, (enum dns_type)other};

    over[i] = false;
    lookups[i].on_over = on_over;
    strcpy(names[i], name);
    dns_lookup_start(&lookups[i], dns, names[i], types, other != 0 ? 2 : 1);
    if (over[i])
        abort(); /* never inside the call that asks */
}

void play_dns_cancel(int i)
{
    dns_lookup_cancel(&lookups[i]);
}

/* NULL: not yet. "found ttl=5 10.0.0.1 | nodata ttl=3 | app.test", the name last. */
const char *play_dns_answer(int i)
{
    if (!over[i])
        return NULL;
    buffer_clear(&said);
    for (unsigned n = 0; n < lookups[i].count; n++) {
        say_answer(&lookups[i].answers[n]);
        buffer_append_text(&said, " | ");
    }
    buffer_append_text(&said, lookups[i].name);
    return buffer_text(&said);
}

void play_dns_end(void)
{
    for (int i = 0; i < 4; i++)
        dns_lookup_cancel(&lookups[i]);
    dns_return(dns);
    loop_dispose(&loop);
}
