#include "discover/dns_rules.h"

#include "base/mem.h"

#include <stdlib.h>

enum { RETRY_MS = 1000, RETRY_DOUBLINGS_MAX = 10 };

static const uint16_t types[DNS_FAMILIES] = {DNS_A, DNS_AAAA};

static void family_clear(struct dns_family *f)
{
    mem_free(f->list);
    *f = (struct dns_family){0};
}

/* Grows by doubling: a family is small, and there may be thousands. */
static void hear(struct dns_targets *t, struct dns_family *f, const uint8_t address[16])
{
    if (t->heard++ >= DNS_ADDRESSES_MAX)
        return;
    if ((f->count & (f->count - 1)) == 0)
        f->list = mem_realloc(f->list, (f->count > 0 ? 2u * f->count : 1) * sizeof *f->list);
    memcpy(f->list[f->count++], address, sizeof *f->list);
}

static void target_dispose(struct dns_target *t)
{
    for (unsigned i = 0; i < DNS_FAMILIES; i++) {
        family_clear(&t->known[i]);
        family_clear(&t->heard[i]);
    }
    mem_free(t->name);
}

void dns_targets_dispose(struct dns_targets *t)
{
    for (unsigned i = 0; i < t->count; i++)
        target_dispose(&t->list[i]);
    mem_free(t->list);
    mem_free(t->entries);
    *t = (struct dns_targets){0};
}

void dns_targets_of_name(struct dns_targets *t, const char *name, uint16_t port)
{
    *t = (struct dns_targets){.count = 1, .entries_count = 1, .ttl_s = DNS_TTL_UNKNOWN};
    t->list = mem_zalloc(sizeof *t->list);
    t->list->name = mem_copy_text(name);
    t->entries = mem_zalloc(sizeof *t->entries);
    *t->entries = (struct dns_entry){.port = port, .weight = 1};
}

/* --- SRV --- */

static int compare_texts(const char *a, const char *b)
{
    for (; *a != '\0' && ascii_lower(*a) == ascii_lower(*b); a++, b++)
        continue;
    return (unsigned char)ascii_lower(*a) - (unsigned char)ascii_lower(*b);
}

static int compare_names(const void *a, const void *b)
{
    return compare_texts(*(char *const *)a, *(char *const *)b);
}

static struct dns_target *find(const struct dns_targets *t, const char *name)
{
    unsigned from = 0, to = t->count;

    while (from < to) {
        unsigned middle = from + (to - from) / 2;
        int order = compare_texts(name, t->list[middle].name);

        if (order == 0)
            return &t->list[middle];
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

/* With a dot behind it, which keeps the search list away from it. */
static char *name_in_full(const char *name)
{
    struct slice text = slice_of(name);
    char *full = mem_alloc(text.length + 2);

    text.length -= text.length > 0 && text.start[text.length - 1] == '.';
    memcpy(slice_put(full, text), ".", 2);
    return full;
}

/* The names of all targets, sorted, each once. The root stands for "not offered". */
static void add_targets(struct dns_targets *t, const struct dns_answer *a)
{
    char **names = mem_alloc((a->count + 1) * sizeof *names);
    unsigned count = 0;

    for (unsigned i = 0; i < a->count; i++)
        names[i] = name_in_full(dns_answer_text(a, &a->records[i]));
    qsort(names, a->count, sizeof *names, compare_names);
    t->list = mem_zalloc((a->count + 1) * sizeof *t->list);
    for (unsigned i = 0; i < a->count; i++)
        if (strcmp(names[i], ".") == 0 ||
            (count > 0 && compare_texts(t->list[count - 1].name, names[i]) == 0))
            mem_free(names[i]);
        else
            t->list[count++].name = names[i];
    t->count = count;
    mem_free(names);
}

static struct dns_target *find_by_text(const struct dns_targets *t, const char *text)
{
    char *name = name_in_full(text);
    struct dns_target *found = find(t, name);

    mem_free(name);
    return found;
}

static void add_entries(struct dns_targets *t, const struct dns_answer *a)
{
    t->entries = mem_zalloc((a->count + 1) * sizeof *t->entries);
    for (unsigned i = 0; i < a->count; i++) {
        const struct dns_record *r = &a->records[i];
        const struct dns_target *target = find_by_text(t, dns_answer_text(a, r));

        if (target != NULL)
            t->entries[t->entries_count++] = (struct dns_entry){
                .target = (uint32_t)(target - t->list),
                .port = r->port,
                .priority = r->priority,
                .weight = r->weight > 0 ? r->weight : 1,
            };
    }
}

static void note_ttl(struct dns_targets *t, uint32_t ttl_s)
{
    t->ttl_s = ttl_s < t->ttl_s ? ttl_s : t->ttl_s;
}

static void hear_extras(struct dns_targets *t, const struct dns_answer *a)
{
    for (unsigned i = a->count; i < a->count + a->extras; i++) {
        const struct dns_record *r = &a->records[i];
        struct dns_target *target = find_by_text(t, dns_answer_owner(a, r));
        unsigned family = r->type == DNS_AAAA;

        if (target == NULL)
            continue;
        target->is_heard[family] = true;
        target->outcomes[family] = DNS_FOUND;
        hear(t, &target->heard[family], r->data.address);
        note_ttl(t, r->ttl_s);
    }
}

void dns_targets_of_srv(struct dns_targets *t, const struct dns_answer *a,
                        struct dns_targets *before)
{
    *t = (struct dns_targets){.ttl_s = a->ttl_s};
    add_targets(t, a);
    add_entries(t, a);
    hear_extras(t, a);
    for (unsigned i = 0; i < t->count; i++) {
        struct dns_target *old = find(before, t->list[i].name);

        for (unsigned family = 0; old != NULL && family < DNS_FAMILIES; family++) {
            t->list[i].known[family] = old->known[family];
            old->known[family] = (struct dns_family){0};
        }
    }
}

/* --- addresses --- */

void dns_target_hear(struct dns_targets *t, unsigned target, unsigned family,
                     const struct dns_answer *a)
{
    struct dns_target *to = &t->list[target];

    family_clear(&to->heard[family]);
    to->is_heard[family] = true;
    to->outcomes[family] = a->outcome;
    for (unsigned i = 0; i < a->count; i++)
        if (a->records[i].type == types[family])
            hear(t, &to->heard[family], a->records[i].data.address);
    if (dns_is_known(a->outcome))
        note_ttl(t, a->ttl_s);
}

/* Found, if anything was; failed, if anything has. */
static enum dns_outcome sum_of(const struct dns_target *t)
{
    enum dns_outcome sum = DNS_EMPTY;

    for (unsigned i = 0; i < DNS_FAMILIES; i++) {
        if (!t->is_heard[i])
            continue;
        if (t->outcomes[i] == DNS_FOUND)
            return DNS_FOUND;
        if (t->outcomes[i] > sum)
            sum = t->outcomes[i];
    }
    return sum;
}

enum dns_outcome dns_target_settle(struct dns_target *t, bool stays)
{
    enum dns_outcome sum = sum_of(t);

    for (unsigned i = 0; i < DNS_FAMILIES; i++) {
        bool is_new = t->is_heard[i] && dns_is_known(t->outcomes[i]) && dns_is_known(sum) &&
                      (sum == DNS_FOUND || !stays);

        if (is_new) {
            family_clear(&t->known[i]);
            t->known[i] = t->heard[i];
            t->heard[i] = (struct dns_family){0};
        }
        family_clear(&t->heard[i]);
        t->is_heard[i] = false;
    }
    return sum;
}

/* --- the list --- */

static int compare_backends(const void *a, const void *b)
{
    const struct dns_backend *x = a, *y = b;
    int order = x->family - y->family;

    if (order == 0)
        order = memcmp(x->address, y->address, sizeof x->address);
    if (order == 0)
        order = x->port - y->port;
    if (order == 0)
        order = x->priority - y->priority;
    return order != 0 ? order : y->weight - x->weight;
}

static bool is_same(const struct dns_backend *a, const struct dns_backend *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->address, b->address, sizeof a->address) == 0;
}

static size_t addresses_of(const struct dns_targets *t)
{
    size_t count = 0;

    for (unsigned i = 0; i < t->entries_count; i++)
        for (unsigned family = 0; family < DNS_FAMILIES; family++)
            count += t->list[t->entries[i].target].known[family].count;
    return count;
}

static unsigned collect(const struct dns_targets *t, struct dns_backend *all)
{
    unsigned count = 0;

    for (unsigned i = 0; i < t->entries_count; i++) {
        const struct dns_entry *e = &t->entries[i];

        for (unsigned family = 0; family < DNS_FAMILIES; family++) {
            const struct dns_family *known = &t->list[e->target].known[family];

            for (unsigned n = 0; n < known->count; n++) {
                struct dns_backend *b = &all[count++];

                *b = (struct dns_backend){(uint8_t)family, {0}, e->port, e->priority, e->weight};
                memcpy(b->address, known->list[n], family == 0 ? 4 : 16);
            }
        }
    }
    return count;
}

struct dns_backend *dns_targets_backends(const struct dns_targets *t, unsigned *count)
{
    size_t most = addresses_of(t);
    struct dns_backend *list;
    unsigned all;

    *count = 0;
    if (most > DNS_ADDRESSES_MAX || t->heard > DNS_ADDRESSES_MAX)
        return NULL;
    list = mem_alloc((most + 1) * sizeof *list);
    all = collect(t, list);
    qsort(list, all, sizeof *list, compare_backends);
    for (unsigned i = 0; i < all; i++)
        if (*count == 0 || !is_same(&list[*count - 1], &list[i]))
            list[(*count)++] = list[i];
    if (*count <= DNS_BACKENDS_MAX)
        return list;
    mem_free(list);
    return NULL;
}

/* --- when to ask again --- */

/* Up to a tenth later, as before the TTL is over a server in between has the same answer; where
 * that is beyond the bound, up to a tenth earlier. */
static uint64_t with_jitter(uint64_t ms, uint64_t most_ms, double unit)
{
    uint64_t jitter = (uint64_t)((double)ms * 0.1 * unit);

    return ms + jitter <= most_ms ? ms + jitter : most_ms - jitter;
}

static uint64_t within(uint64_t ms, uint64_t least_ms, uint64_t most_ms)
{
    return ms > most_ms ? most_ms : ms < least_ms ? least_ms : ms;
}

uint64_t dns_pace_next(const struct dns_pace *p, uint32_t ttl_s, bool nothing, double unit)
{
    uint64_t most_ms = nothing ? DNS_NEGATIVE_MAX_MS : p->max_ms;

    if (ttl_s == DNS_TTL_UNKNOWN) /* nothing, and no word for how long */
        return with_jitter(within(p->max_ms, p->min_ms, most_ms), most_ms, unit);
    return with_jitter(within(ttl_s * 1000ull, p->min_ms, most_ms), most_ms, unit);
}

uint64_t dns_pace_retry(const struct dns_pace *p, unsigned failures, double unit)
{
    unsigned doublings = failures > 1 ? failures - 1 : 0;
    uint64_t ms = (uint64_t)RETRY_MS
                  << (doublings < RETRY_DOUBLINGS_MAX ? doublings : RETRY_DOUBLINGS_MAX);

    return with_jitter(within(ms, p->min_ms, p->max_ms), p->max_ms, unit);
}
