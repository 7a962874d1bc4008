/*
 *            .------------------------ after the TTL, or sooner after a failure --------.
 *            v                                                                          |
 *   dns:   A and AAAA ------------------------------------------------> settled -> published, or
 *   srv:   SRV -> of each target A and AAAA, those that did not come --> settled    failed
 */
#include "discover/dns.h"

#include "base/mem.h"
#include "base/random.h"
#include "config/config.h"
#include "dial/dns.h"
#include "discover/dns_rules.h"
#include "net/address.h"
#include "net/deadline.h"

enum { AT_ONCE = 64 /* targets that are asked for */ };

struct asking { /* for the addresses of a target */
    struct dns_source *source;
    struct dns_lookup lookup;
    unsigned target, first; /* first: the family of the first answer */
    bool is_busy;
};

struct dns_source {
    struct source *source;
    struct loop *loop;
    struct dns *dns;
    struct dns_pace pace;
    char *name;
    uint16_t port; /* 0: SRV */
    struct dns_lookup lookup;
    struct deadline next;
    struct dns_targets targets;
    struct asking *askings; /* AT_ONCE, of SRV */
    unsigned next_target, open;
    unsigned failures; /* in a row */
};

static const enum dns_type both[DNS_FAMILIES] = {DNS_A, DNS_AAAA};

/* --- how a round ends --- */

static void ask_again(struct dns_source *s, uint64_t ms)
{
    deadline_set(s->loop, &s->next, ms);
}

/* The last statement of who calls it, as are the other ends. */
static void end_failed(struct dns_source *s, const char *what, enum dns_outcome outcome)
{
    struct buffer why = {0};

    s->failures++;
    ask_again(s, dns_pace_retry(&s->pace, s->failures, random_unit()));
    buffer_printf(&why, "%s of %s: %s", what, s->name, dns_outcome_text(outcome));
    source_failed(s->source, buffer_text(&why));
    buffer_dispose(&why);
}

static bool add_backend(struct found_list *list, const struct dns_backend *b, struct buffer *wrong)
{
    struct found entry = {.weight = b->weight, .priority = b->priority};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(b->port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(b->port)};

    memcpy(&v6.sin6_addr, b->address, 16);
    memcpy(&v4.sin_addr, b->address, 4);
    return found_add_socket(
        list, b->family == 0 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6, &entry,
        wrong);
}

static bool make_list(const struct dns_source *s, struct found_list *list, struct buffer *wrong)
{
    unsigned count;
    struct dns_backend *backends = dns_targets_backends(&s->targets, &count);
    bool is_right = true;

    if (backends == NULL) {
        buffer_printf(wrong, "too many addresses: %d at most", DNS_BACKENDS_MAX);
        return false;
    }
    for (unsigned i = 0; is_right && i < count; i++)
        is_right = add_backend(list, &backends[i], wrong);
    mem_free(backends);
    return is_right;
}

/* What the targets say now; nothing: that there is none, for so long. */
static void end_heard(struct dns_source *s, bool nothing, uint32_t ttl_s)
{
    struct found_list list;
    struct buffer wrong = {0};
    bool is_right;

    s->failures = 0;
    ask_again(s, dns_pace_next(&s->pace, ttl_s, nothing, random_unit()));
    found_init(&list);
    is_right = make_list(s, &list, &wrong);
    if (is_right)
        source_publish(s->source, &list);
    else
        source_failed(s->source, buffer_text(&wrong));
    found_dispose(&list);
    buffer_dispose(&wrong);
}

/* --- a name --- */

static void on_name_over(struct dns_lookup *l)
{
    struct dns_source *s = list_entry(l, struct dns_source, lookup);
    enum dns_outcome outcome;

    s->targets.ttl_s = DNS_TTL_UNKNOWN;
    s->targets.heard = 0;
    for (unsigned i = 0; i < DNS_FAMILIES; i++)
        dns_target_hear(&s->targets, 0, i, &l->answers[i]);
    outcome = dns_target_settle(s->targets.list, false);
    if (dns_is_known(outcome))
        end_heard(s, outcome != DNS_FOUND, s->targets.ttl_s);
    else
        end_failed(s, "A and AAAA", outcome);
}

/* --- SRV --- */

/* Nobody resolves a target that is not there, and not even one: that is a fault, and no list. */
static void end_targets(struct dns_source *s)
{
    enum dns_outcome outcome = DNS_EMPTY;
    unsigned addresses = 0;

    for (unsigned i = 0; i < s->targets.count; i++) {
        struct dns_target *t = &s->targets.list[i];

        outcome = dns_target_settle(t, true);
        for (unsigned family = 0; family < DNS_FAMILIES; family++)
            addresses += t->known[family].count;
    }
    if (s->targets.count > 0 && addresses == 0)
        end_failed(s, "the targets", outcome);
    else
        end_heard(s, s->targets.count == 0, s->targets.ttl_s);
}

static void on_target_over(struct dns_lookup *);

/* What has not come with the SRV records is asked for. */
static void ask_target(struct dns_source *s, struct asking *a, unsigned target)
{
    const struct dns_target *t = &s->targets.list[target];

    a->lookup = (struct dns_lookup){.on_over = on_target_over};
    a->source = s;
    a->target = target;
    a->first = t->is_heard[0];
    a->is_busy = true;
    s->open++;
    dns_lookup_start(&a->lookup, s->dns, t->name, &both[a->first],
                     DNS_FAMILIES - a->first - t->is_heard[1]);
}

static struct asking *free_asking(struct dns_source *s)
{
    for (unsigned i = 0; i < AT_ONCE; i++)
        if (!s->askings[i].is_busy)
            return &s->askings[i];
    return NULL;
}

static void refuse_target(struct dns_targets *all, unsigned target)
{
    for (unsigned i = 0; i < DNS_FAMILIES; i++)
        dns_target_hear(all, target, i, &(struct dns_answer){.outcome = DNS_BAD_NAME});
}

static void ask_targets(struct dns_source *s)
{
    while (s->next_target < s->targets.count && s->open < AT_ONCE) {
        unsigned target = s->next_target++;
        const struct dns_target *t = &s->targets.list[target];

        if (t->is_heard[0] && t->is_heard[1])
            continue;
        if (dns_is_name(slice_of(t->name)))
            ask_target(s, free_asking(s), target);
        else
            refuse_target(&s->targets, target);
    }
    if (s->open == 0)
        end_targets(s);
}

static void on_target_over(struct dns_lookup *l)
{
    struct asking *a = list_entry(l, struct asking, lookup);
    struct dns_source *s = a->source;
    unsigned count = l->count;

    for (unsigned i = 0; i < count; i++)
        dns_target_hear(&s->targets, a->target, a->first + i, &l->answers[i]);
    dns_lookup_cancel(l);
    a->is_busy = false;
    s->open--;
    ask_targets(s);
}

static void on_srv_over(struct dns_lookup *l)
{
    struct dns_source *s = list_entry(l, struct dns_source, lookup);
    const struct dns_answer *answer = &l->answers[0];
    struct dns_targets next = {0};
    uint32_t ttl_s = answer->ttl_s;

    if (!dns_is_known(answer->outcome)) {
        end_failed(s, "SRV", answer->outcome);
        return;
    }
    if (answer->outcome == DNS_FOUND)
        dns_targets_of_srv(&next, answer, &s->targets);
    dns_targets_dispose(&s->targets);
    dns_lookup_cancel(l);
    s->targets = next;
    s->next_target = 0;
    if (next.count == 0)
        end_heard(s, true, ttl_s);
    else
        ask_targets(s);
}

static void on_next(struct deadline *d)
{
    struct dns_source *s = list_entry(d, struct dns_source, next);
    const enum dns_type srv = DNS_SRV;

    if (s->port == 0)
        dns_lookup_start(&s->lookup, s->dns, s->name, &srv, 1);
    else
        dns_lookup_start(&s->lookup, s->dns, s->name, both, DNS_FAMILIES);
}

/* --- the source --- */

static struct dns_source *source_new(struct source *source, struct loop *loop,
                                     const struct config *config)
{
    struct dns_source *s = mem_zalloc(sizeof *s);

    s->source = source;
    s->loop = loop;
    s->pace.min_ms = config->discovery.ttl_min_ms;
    s->pace.max_ms = config->discovery.ttl_max_ms;
    s->dns =
        dns_take(loop, DNS_RESOLV_CONF, config->discovery.servers, config->discovery.servers_count);
    deadline_init(&s->next, on_next);
    return s;
}

/* At once, unless the list of a monitor before this one holds: a reload asks nobody anew. */
static void ask_first(struct dns_source *s)
{
    bool has_list = source_has_list(s->source);

    ask_again(s, has_list ? dns_pace_next(&s->pace, DNS_TTL_UNKNOWN, false, random_unit()) : 0);
}

/* What the settings have let through is right (config/sources.h). */
static void *open_name(struct source *source, struct slice text, struct loop *loop,
                       const struct config *config)
{
    struct dns_source *s = source_new(source, loop, config);
    struct address address;

    CHECK(address_parse(&address, text, false) == NULL);
    s->name = mem_copy_text(address.host);
    s->port = address.port;
    s->lookup.on_over = on_name_over;
    dns_targets_of_name(&s->targets, s->name, s->port);
    ask_first(s);
    return s;
}

static void *open_srv(struct source *source, struct slice text, struct loop *loop,
                      const struct config *config)
{
    struct dns_source *s = source_new(source, loop, config);

    s->name = mem_copy(text.start, text.length);
    s->lookup.on_over = on_srv_over;
    s->askings = mem_zalloc(AT_ONCE * sizeof *s->askings);
    ask_first(s);
    return s;
}

static void close_source(void *own)
{
    struct dns_source *s = own;

    deadline_clear(&s->next);
    dns_lookup_cancel(&s->lookup);
    for (unsigned i = 0; s->askings != NULL && i < AT_ONCE; i++)
        dns_lookup_cancel(&s->askings[i].lookup);
    dns_targets_dispose(&s->targets);
    dns_return(s->dns);
    mem_free(s->askings);
    mem_free(s->name);
    mem_free(s);
}

const struct source_kind dns_kind = {"dns:", false, open_name, close_source};
const struct source_kind dns_srv_kind = {"srv:", false, open_srv, close_source};
