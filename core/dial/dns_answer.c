/*
 *   question      must be what was asked
 *   answer        aliases first, then the records of the name where they end
 *   authority     SOA: for how long "nothing" holds
 *   additional    addresses next to SRV records; whoever uses them looks for its own names only
 */
#include "dial/dns_answer.h"

#include "base/mem.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>

enum { SRV_HEAD = 6, TTL_MAX_S = INT32_MAX };

struct reading {
    struct dns_answer *answer;
    ns_msg message;
    uint16_t type;
    char end[DNS_NAME_BYTES]; /* where the aliases lead */
};

bool dns_name_is(const char *a, const char *b)
{
    struct slice x = slice_of(a), y = slice_of(b);

    x.length -= x.length > 0 && x.start[x.length - 1] == '.';
    y.length -= y.length > 0 && y.start[y.length - 1] == '.';
    return slice_is_nocase(x, y);
}

/* A TTL with its highest bit set is 0 (RFC 2181, 8). */
static uint32_t ttl_of(const ns_rr *rr)
{
    return ns_rr_ttl(*rr) > TTL_MAX_S ? 0 : ns_rr_ttl(*rr);
}

static void note_ttl(struct dns_answer *a, const ns_rr *rr)
{
    if (ttl_of(rr) < a->ttl_s)
        a->ttl_s = ttl_of(rr);
}

/* A name in the data of a record, as text; how many bytes it takes there, or -1. */
static int expand(const struct reading *r, const ns_rr *rr, unsigned at, char name[DNS_NAME_BYTES])
{
    int used;

    if (ns_rr_rdlen(*rr) <= at)
        return -1;
    used = dn_expand(ns_msg_base(r->message), ns_msg_end(r->message), ns_rr_rdata(*rr) + at, name,
                     DNS_NAME_BYTES);
    return used < 0 || (unsigned)used > ns_rr_rdlen(*rr) - at ? -1 : used;
}

static uint32_t add_text(struct dns_answer *a, struct slice text)
{
    size_t at = buffer_length(&a->texts);

    buffer_append(&a->texts, text);
    buffer_append_byte(&a->texts, '\0');
    return (uint32_t)at;
}

static bool read_srv(const struct reading *r, const ns_rr *rr, struct dns_record *to)
{
    const unsigned char *data = ns_rr_rdata(*rr);
    char target[DNS_NAME_BYTES];

    if (expand(r, rr, SRV_HEAD, target) < 0)
        return false;
    to->priority = (uint16_t)(data[0] << 8 | data[1]);
    to->weight = (uint16_t)(data[2] << 8 | data[3]);
    to->port = (uint16_t)(data[4] << 8 | data[5]);
    to->data.text.length = (uint32_t)strlen(target);
    to->data.text.at = add_text(r->answer, slice_of(target));
    return true;
}

/* The strings of a TXT record are one text (RFC 7208, 3.3). */
static bool read_txt(const struct reading *r, const ns_rr *rr, struct dns_record *to)
{
    const unsigned char *data = ns_rr_rdata(*rr);
    size_t length = ns_rr_rdlen(*rr), at = 0;

    to->data.text.at = (uint32_t)buffer_length(&r->answer->texts);
    for (; at < length && data[at] < length - at; at += 1u + data[at])
        buffer_append(&r->answer->texts, (struct slice){(const char *)data + at + 1, data[at]});
    to->data.text.length = (uint32_t)buffer_length(&r->answer->texts) - to->data.text.at;
    buffer_append_byte(&r->answer->texts, '\0');
    return at == length && length > 0;
}

static bool read_address(const ns_rr *rr, struct dns_record *to)
{
    size_t bytes = to->type == DNS_A ? 4 : 16;

    if (ns_rr_rdlen(*rr) != bytes)
        return false;
    memcpy(to->data.address, ns_rr_rdata(*rr), bytes);
    return true;
}

/* False: the record is not what its type says. */
static bool add_record(struct reading *r, const ns_rr *rr)
{
    struct dns_answer *a = r->answer;
    struct dns_record *to = &a->records[a->count + a->extras];

    memset(to, 0, sizeof *to);
    to->type = (uint16_t)ns_rr_type(*rr);
    to->ttl_s = ttl_of(rr);
    if (to->type == DNS_SRV)
        return read_srv(r, rr, to);
    return to->type == DNS_TXT ? read_txt(r, rr, to) : read_address(rr, to);
}

static bool parse(struct reading *r, ns_sect section, unsigned i, ns_rr *rr)
{
    return ns_parserr(&r->message, section, (int)i, rr) == 0;
}

static bool is_alias(const ns_rr *rr)
{
    return ns_rr_type(*rr) == ns_t_cname && ns_rr_class(*rr) == ns_c_in;
}

/* One step from the end of the aliases so far: 1 if there was an alias, 0 if not, -1 if one cannot
 * be read. Aliases usually stand in their order, so *from goes along with them, round once. */
static int next_alias(struct reading *r, unsigned *from)
{
    unsigned count = ns_msg_count(r->message, ns_s_an);
    ns_rr rr;

    for (unsigned i = 0; i < count; i++) {
        unsigned at = (*from + i) % count;

        if (!parse(r, ns_s_an, at, &rr))
            return -1;
        if (!is_alias(&rr) || !dns_name_is(ns_rr_name(rr), r->end))
            continue;
        note_ttl(r->answer, &rr);
        *from = at + 1;
        return expand(r, &rr, 0, r->end) < 0 ? -1 : 1;
    }
    return 0;
}

/* False: they lead round, too far, or nowhere. */
static bool follow_aliases(struct reading *r)
{
    unsigned from = 0, steps = 0;
    int step;

    while ((step = next_alias(r, &from)) > 0)
        if (++steps > DNS_ALIASES_MAX)
            return false;
    return step == 0;
}

static enum dns_outcome read_records(struct reading *r)
{
    struct dns_answer *a = r->answer;
    ns_rr rr;

    if (!follow_aliases(r))
        return DNS_GARBAGE;
    for (unsigned i = 0; i < ns_msg_count(r->message, ns_s_an); i++) {
        if (!parse(r, ns_s_an, i, &rr))
            return DNS_GARBAGE;
        if (ns_rr_type(rr) != r->type || ns_rr_class(rr) != ns_c_in ||
            !dns_name_is(ns_rr_name(rr), r->end))
            continue;
        if (!add_record(r, &rr))
            return DNS_GARBAGE;
        note_ttl(a, &rr);
        a->count++;
    }
    return a->count > 0 ? DNS_FOUND : DNS_EMPTY;
}

static bool is_address(const ns_rr *rr)
{
    unsigned type = ns_rr_type(*rr);

    return (type == DNS_A || type == DNS_AAAA) && ns_rr_class(*rr) == ns_c_in;
}

static enum dns_outcome read_extras(struct reading *r)
{
    struct dns_answer *a = r->answer;
    ns_rr rr;

    for (unsigned i = 0; i < ns_msg_count(r->message, ns_s_ar); i++) {
        if (!parse(r, ns_s_ar, i, &rr))
            return DNS_GARBAGE;
        if (!is_address(&rr))
            continue;
        if (!add_record(r, &rr))
            return DNS_GARBAGE;
        a->records[a->count + a->extras].owner = add_text(a, slice_of(ns_rr_name(rr)));
        a->extras++;
    }
    return DNS_FOUND;
}

/* What is not there may be asked for again after the SOA's minimum, or its own TTL, if that is
 * less (RFC 2308, 5). */
static uint32_t negative_ttl(struct reading *r)
{
    ns_rr rr;

    for (unsigned i = 0; i < ns_msg_count(r->message, ns_s_ns); i++) {
        const unsigned char *minimum;
        uint32_t seconds;

        if (!parse(r, ns_s_ns, i, &rr))
            break;
        if (ns_rr_type(rr) != ns_t_soa || ns_rr_rdlen(rr) < 4)
            continue;
        minimum = ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4;
        seconds = (uint32_t)ns_get32(minimum);
        return seconds < ttl_of(&rr) ? seconds : ttl_of(&rr);
    }
    return DNS_TTL_UNKNOWN;
}

/* Is it a whole answer to the question? */
static enum dns_outcome judge_head(struct reading *r, const char *name)
{
    ns_rr question;

    if (ns_msg_getflag(r->message, ns_f_qr) != 1 || ns_msg_getflag(r->message, ns_f_opcode) != 0 ||
        ns_msg_count(r->message, ns_s_qd) != 1 || !parse(r, ns_s_qd, 0, &question) ||
        !dns_name_is(ns_rr_name(question), name) || ns_rr_type(question) != r->type ||
        ns_rr_class(question) != ns_c_in)
        return DNS_GARBAGE;
    if (ns_msg_getflag(r->message, ns_f_tc) != 0)
        return DNS_TRUNCATED;
    if (ns_msg_count(r->message, ns_s_an) + ns_msg_count(r->message, ns_s_ar) > DNS_RECORDS_MAX)
        return DNS_TOO_MANY;
    switch (ns_msg_getflag(r->message, ns_f_rcode)) {
    case ns_r_noerror:
        return DNS_FOUND;
    case ns_r_nxdomain:
        return DNS_UNKNOWN_NAME;
    case ns_r_servfail:
        return DNS_SERVER_FAILED;
    case ns_r_refused:
        return DNS_REFUSED;
    default:
        return DNS_OTHER_ERROR;
    }
}

static enum dns_outcome read_whole(struct reading *r, const char *name)
{
    struct dns_answer *a = r->answer;
    enum dns_outcome outcome = judge_head(r, name);
    unsigned most = ns_msg_count(r->message, ns_s_an) + ns_msg_count(r->message, ns_s_ar);

    if (outcome == DNS_FOUND) {
        a->records = mem_alloc((most > 0 ? most : 1) * sizeof *a->records);
        outcome = read_records(r);
    }
    if (outcome == DNS_FOUND && r->type == DNS_SRV)
        outcome = read_extras(r);
    if (outcome == DNS_EMPTY ||
        outcome == DNS_UNKNOWN_NAME) /* of an alias, too, it holds so long */
        a->ttl_s = negative_ttl(r);
    return outcome;
}

void dns_answer_read(struct dns_answer *a, const uint8_t *bytes, size_t length, const char *name,
                     enum dns_type type)
{
    struct reading r = {.answer = a, .type = (uint16_t)type};

    *a = (struct dns_answer){.outcome = DNS_GARBAGE, .ttl_s = DNS_TTL_UNKNOWN};
    if (strlen(name) >= sizeof r.end || length > UINT16_MAX ||
        ns_initparse(bytes, (int)length, &r.message) != 0)
        return;
    memcpy(r.end, name, strlen(name) + 1);
    a->outcome = read_whole(&r, name);
    if (a->outcome != DNS_FOUND)
        a->count = a->extras = 0;
}

void dns_answer_dispose(struct dns_answer *a)
{
    mem_free(a->records);
    buffer_dispose(&a->texts);
    *a = (struct dns_answer){0};
}

const char *dns_answer_text(const struct dns_answer *a, const struct dns_record *record)
{
    return buffer_slice(&a->texts).start + record->data.text.at;
}

const char *dns_answer_owner(const struct dns_answer *a, const struct dns_record *record)
{
    return buffer_slice(&a->texts).start + record->owner;
}

const char *dns_outcome_text(enum dns_outcome outcome)
{
    static const char *const texts[] = {
        [DNS_FOUND] = "found",
        [DNS_EMPTY] = "nodata",
        [DNS_UNKNOWN_NAME] = "nxdomain",
        [DNS_SERVER_FAILED] = "servfail",
        [DNS_REFUSED] = "refused",
        [DNS_OTHER_ERROR] = "the server reports an error",
        [DNS_TRUNCATED] = "truncated",
        [DNS_GARBAGE] = "garbage",
        [DNS_TOO_MANY] = "too many records",
        [DNS_TIMED_OUT] = "timeout",
        [DNS_UNREACHABLE] = "unreachable",
        [DNS_BAD_NAME] = "no name for DNS",
    };

    return texts[outcome];
}
