/*
 *   lookup   names that a short one may stand for, one after the other
 *     part   a type: servers, one after the other, those that are silent twice
 *       question   one server (dial/dns_channel.h)
 */
#include "dial/dns.h"

#include "base/file.h"
#include "base/mem.h"

#include <sys/stat.h>

enum { LOOK_EVERY_MS = 1000, CONF_BYTES_MAX = 65536, NAME_BYTES_MAX = 253, LABEL_BYTES_MAX = 63 };

struct dns {
    struct dns *next_one;
    unsigned users;
    struct loop *loop;
    char path[DNS_PATH_BYTES];
    struct dns_conf conf;
    struct sockaddr_in6 own[DNS_SERVERS_MAX]; /* of the settings */
    unsigned own_count;
    struct dns_channel *channels[DNS_SERVERS_MAX];
    unsigned count, first; /* first: is asked first, as those before it were silent */
    uint64_t generation;   /* grows when resolv.conf has changed */
    uint64_t looked_ms;
    struct stat seen;
};

/* --- resolv.conf --- */

static void close_channels(struct dns *d)
{
    for (unsigned i = 0; i < d->count; i++)
        dns_channel_free(d->channels[i]);
    d->count = d->first = 0;
}

static void open_channels(struct dns *d)
{
    const struct sockaddr_in6 *servers = d->own_count > 0 ? d->own : d->conf.servers;
    unsigned count = d->own_count > 0 ? d->own_count : d->conf.servers_count;

    for (unsigned i = 0; i < count; i++)
        d->channels[i] = dns_channel_new(d->loop, (const struct sockaddr *)&servers[i],
                                         d->conf.timeout_s * 1000u);
    d->count = count;
}

static bool has_changed(struct dns *d)
{
    struct stat now = {0};
    bool is_there = stat(d->path, &now) == 0;

    if (d->generation > 0 &&
        (!is_there || (now.st_ino == d->seen.st_ino && now.st_size == d->seen.st_size &&
                       now.st_mtim.tv_sec == d->seen.st_mtim.tv_sec &&
                       now.st_mtim.tv_nsec == d->seen.st_mtim.tv_nsec)))
        return false;
    d->seen = now;
    return true;
}

/* Looked at before questions, once a second at most. One that is not there is as an empty one at
 * first, and later nothing new. */
static void follow_conf(struct dns *d)
{
    struct buffer text = {0};

    if (d->generation > 0 && loop_now_ms(d->loop) < d->looked_ms + LOOK_EVERY_MS)
        return;
    d->looked_ms = loop_now_ms(d->loop);
    if (!has_changed(d))
        return;
    if (file_read(d->path, CONF_BYTES_MAX, &text) == 0 || d->generation == 0) {
        dns_conf_read(&d->conf, buffer_slice(&text));
        close_channels(d);
        open_channels(d);
        d->generation++;
    }
    buffer_dispose(&text);
}

static struct dns *all; /* of this process */

static struct dns *dns_new(struct loop *loop, const char *path, const struct sockaddr_in6 *servers,
                           unsigned count)
{
    struct dns *d = mem_zalloc(sizeof *d);

    CHECK(count <= DNS_SERVERS_MAX && strlen(path) < sizeof d->path);
    d->loop = loop;
    memcpy(d->path, path, strlen(path) + 1);
    if (count > 0)
        memcpy(d->own, servers, count * sizeof *servers);
    d->own_count = count;
    d->next_one = all;
    all = d;
    follow_conf(d);
    return d;
}

static bool is_same(const struct dns *d, const struct loop *loop, const char *path,
                    const struct sockaddr_in6 *servers, unsigned count)
{
    return d->loop == loop && strcmp(d->path, path) == 0 && d->own_count == count &&
           (count == 0 || memcmp(d->own, servers, count * sizeof *servers) == 0);
}

struct dns *dns_take(struct loop *loop, const char *path, const struct sockaddr_in6 *servers,
                     unsigned count)
{
    struct dns *d = all;

    while (d != NULL && !is_same(d, loop, path, servers, count))
        d = d->next_one;
    if (d == NULL)
        d = dns_new(loop, path, servers, count);
    d->users++;
    return d;
}

void dns_return(struct dns *d)
{
    struct dns **at = &all;

    if (d == NULL || --d->users > 0)
        return;
    while (*at != d)
        at = &(*at)->next_one;
    *at = d->next_one;
    close_channels(d);
    mem_free(d);
}

/* --- a type of a candidate --- */

bool dns_is_name(struct slice name)
{
    struct slice label;

    name.length -= name.length > 0 && name.start[name.length - 1] == '.';
    if (name.length == 0 || name.length > NAME_BYTES_MAX || name.start[name.length - 1] == '.')
        return false;
    while (name.length > 0) {
        label = slice_take_until(&name, '.');
        if (label.length == 0 || label.length > LABEL_BYTES_MAX)
            return false;
        for (size_t i = 0; i < label.length; i++)
            if (label.start[i] <= ' ' || label.start[i] > '~' || label.start[i] == '\\')
                return false;
    }
    return true;
}

static void part_ask(struct dns_lookup_part *p)
{
    struct dns *d = p->lookup->dns;
    unsigned server = (p->first + p->tries) % d->count; /* there may be fewer than before */

    p->tries++;
    dns_question_ask(&p->question, d->channels[server], p->lookup->name, p->type);
}

static bool is_silence(enum dns_outcome outcome)
{
    return outcome == DNS_TIMED_OUT || outcome == DNS_UNREACHABLE;
}

/* Is that the last word of the servers? */
static bool is_last(const struct dns_lookup_part *p, enum dns_outcome outcome)
{
    const struct dns *d = p->lookup->dns;

    if (outcome == DNS_FOUND || outcome == DNS_BAD_NAME)
        return true;
    if (dns_is_known(outcome) && d->own_count == 0)
        return true;
    return p->tries >= (is_silence(outcome) ? d->count * d->conf.attempts : d->count);
}

/* Nothing is not the truth if a server that may know better has failed. */
static void note_failure(struct dns_lookup_part *p, struct dns_answer *answer)
{
    const struct dns *d = p->lookup->dns;

    if (!dns_is_known(answer->outcome))
        p->failure = answer->outcome;
    else if (answer->outcome != DNS_FOUND && d->own_count > 0 && p->failure != DNS_FOUND)
        answer->outcome = p->failure;
}

static void candidate_over(struct dns_lookup *);

static void on_answered(struct dns_question *q)
{
    struct dns_lookup_part *p = list_entry(q, struct dns_lookup_part, question);
    struct dns_lookup *l = p->lookup;
    struct dns *d = l->dns;
    bool is_over = is_last(p, q->answer.outcome);

    if (is_silence(q->answer.outcome) && d->first == (p->first + p->tries - 1) % d->count)
        d->first = (d->first + 1) % d->count;
    note_failure(p, &q->answer);
    if (!is_over) {
        dns_answer_dispose(&q->answer);
        part_ask(p);
        return;
    }
    p->is_over = true;
    for (unsigned i = 0; i < l->count; i++)
        if (!l->parts[i].is_over)
            return;
    candidate_over(l);
}

/* --- the names that a name may stand for --- */

static bool ask_candidate(struct dns_lookup *l, unsigned candidate)
{
    if (!dns_conf_candidate(&l->dns->conf, l->wanted, candidate, l->name))
        return false;
    l->candidate = candidate;
    for (unsigned i = 0; i < l->count; i++) {
        struct dns_lookup_part *p = &l->parts[i];

        dns_answer_dispose(&p->question.answer);
        p->first = l->dns->first;
        p->tries = 0;
        p->is_over = false;
        p->failure = DNS_FOUND;
        part_ask(p);
    }
    return true;
}

static void lookup_end(struct dns_lookup *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        struct dns_answer *answer = &l->parts[i].question.answer;

        if (dns_is_known(answer->outcome) && answer->outcome != DNS_FOUND) {
            answer->ttl_s = l->negative_ttl_s < answer->ttl_s ? l->negative_ttl_s : answer->ttl_s;
            answer->outcome = l->failure != DNS_FOUND ? l->failure : answer->outcome;
        }
        l->answers[i] = *answer;
        *answer = (struct dns_answer){0};
    }
    l->on_over(l);
}

struct verdict {
    bool found;
    enum dns_outcome failure; /* DNS_FOUND: none */
    uint32_t negative_ttl_s;
};

static struct verdict judge_parts(const struct dns_lookup *l)
{
    struct verdict v = {.negative_ttl_s = DNS_TTL_UNKNOWN};

    for (unsigned i = 0; i < l->count; i++) {
        const struct dns_answer *answer = &l->parts[i].question.answer;

        if (answer->outcome == DNS_FOUND)
            v.found = true;
        else if (!dns_is_known(answer->outcome))
            v.failure = answer->outcome;
        else if (answer->ttl_s < v.negative_ttl_s)
            v.negative_ttl_s = answer->ttl_s;
    }
    return v;
}

/* A server that fails says nothing of the name, and then another candidate may do, unless one was
 * known: the name would stand for other machines. Of silence there is no more to hear. */
static void candidate_over(struct dns_lookup *l)
{
    struct verdict v = judge_parts(l);
    bool was_known = l->known > 0;

    if (v.found) {
        l->known = l->candidate + 1;
        l->generation = l->dns->generation;
        l->failure = DNS_FOUND;
        lookup_end(l);
        return;
    }
    if (v.failure != DNS_FOUND && (was_known || is_silence(v.failure))) {
        lookup_end(l);
        return;
    }
    if (v.failure != DNS_FOUND)
        l->failure = v.failure;
    if (v.negative_ttl_s < l->negative_ttl_s)
        l->negative_ttl_s = v.negative_ttl_s;
    l->known = 0;
    if (!ask_candidate(l, was_known ? 0 : l->candidate + 1))
        lookup_end(l);
}

void dns_lookup_start(struct dns_lookup *l, struct dns *d, const char *name,
                      const enum dns_type *types, unsigned count)
{
    CHECK(count > 0 && count <= DNS_LOOKUP_TYPES);
    dns_lookup_cancel(l);
    follow_conf(d);
    l->dns = d;
    l->wanted = name;
    l->count = count;
    l->failure = DNS_FOUND;
    l->negative_ttl_s = DNS_TTL_UNKNOWN;
    if (l->generation != d->generation)
        l->known = 0;
    for (unsigned i = 0; i < count; i++) {
        l->parts[i].lookup = l;
        l->parts[i].type = types[i];
        l->parts[i].question.on_answered = on_answered;
    }
    if (l->known == 0 || !ask_candidate(l, l->known - 1)) {
        l->known = 0;
        CHECK(ask_candidate(l, 0));
    }
}

void dns_lookup_cancel(struct dns_lookup *l)
{
    for (unsigned i = 0; i < DNS_LOOKUP_TYPES; i++) {
        dns_question_cancel(&l->parts[i].question);
        dns_answer_dispose(&l->answers[i]);
    }
}
