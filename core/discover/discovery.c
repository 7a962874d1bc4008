#include "discover/discovery.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "discover/allow.h"
#include "discover/dns.h"
#include "discover/file.h"
#include "discover/given.h"
#include "discover/guard.h"
#include "discover/merge.h"
#include "net/deadline.h"
#include "shared/board.h"
#include "shared/slots.h"

#include <stdlib.h>

enum {
    TOGETHER_MS = 100, /* changes within that go together */
    LOOK_MS = 500,
    AGAIN_MS = 60 * 1000, /* an event that is still so */
    CONFIRM_MS = 10 * 1000,
};

struct source {
    struct discovery *all;
    const char *name;
    struct segment_source *numbers;
    const struct source_kind *kind;
    void *own;
    struct found_list found; /* what holds */
    struct guard guard;
    bool has_spoken;
    struct log_interval kept, failed;
    uint64_t why; /* it failed last: a hash */
};

struct discovery {
    struct loop *loop;
    const struct membership *members;
    const struct config *config;
    struct segment *segment;
    discovery_wanted *on_wanted;
    void *owner;
    struct deadline publish, look;
    uint64_t published_ms;
    bool has_told_all;
    unsigned count;
    struct source sources[];
};

static const struct source_kind *const kinds[] = {&file_kind, &given_kind, &dns_kind,
                                                  &dns_srv_kind};

enum { KINDS = sizeof kinds / sizeof *kinds };

const char *source_name(const struct source *s)
{
    return s->name;
}

struct segment *source_segment(const struct source *s)
{
    return s->all->segment;
}

bool source_has_list(const struct source *s)
{
    return s->found.count > 0;
}

/* --- the list of all --- */

static bool all_have_spoken(const struct discovery *d)
{
    for (unsigned i = 0; i < d->count; i++)
        if (!d->sources[i].has_spoken)
            return false;
    return true;
}

static void on_publish(struct deadline *deadline)
{
    struct discovery *d = list_entry(deadline, struct discovery, publish);
    bool is_first = !d->has_told_all && all_have_spoken(d);
    struct merge merge;

    d->published_ms = loop_now_ms(d->loop);
    merge_begin(&merge, d->config, d->members->edition);
    for (unsigned i = 0; i < d->count; i++) {
        atomic_store(&d->sources[i].numbers->backends, d->sources[i].found.count);
        merge_add(&merge, d->sources[i].name, &d->sources[i].found);
    }
    merge_end(&merge, d->segment);
    d->has_told_all |= is_first;
    d->on_wanted(d->owner, is_first);
}

static void publish(struct discovery *d)
{
    uint64_t now_ms = loop_now_ms(d->loop), due_ms = d->published_ms + TOGETHER_MS;

    if (!deadline_is_set(&d->publish))
        deadline_set(d->loop, &d->publish, due_ms > now_ms ? due_ms - now_ms : 0);
}

/* --- how those are that hold --- */

struct standing {
    uint64_t identity;
    uint8_t is;
};

static int compare(const void *a, const void *b)
{
    const struct standing *x = a, *y = b;

    return (x->identity > y->identity) - (x->identity < y->identity);
}

static uint8_t standing_of_slot(const struct segment *segment, unsigned slot)
{
    struct verdict v = board_verdict(segment, slot);

    return v.up ? GUARD_UP : v.reason == VERDICT_UNCHECKED ? GUARD_UNCHECKED : GUARD_DOWN;
}

/* By index of what holds; one that has no slot yet is unchecked. */
static uint8_t *standings(const struct source *s)
{
    const struct membership *m = s->all->members;
    struct standing *known = mem_alloc((m->listed + 1) * sizeof *known), *one;
    uint8_t *list = mem_zalloc(s->found.count + 1);

    for (unsigned i = 0; i < m->listed; i++) {
        const struct config_backend *b = m->list[m->order[i]].settings;

        known[i] = (struct standing){slots_identity(b->name, b->written),
                                     standing_of_slot(s->all->segment, b->slot)};
    }
    qsort(known, m->listed, sizeof *known, compare);
    for (unsigned i = 0; i < s->found.count; i++) {
        one = bsearch(&(struct standing){s->found.list[i].identity, 0}, known, m->listed,
                      sizeof *known, compare);
        list[i] = one != NULL ? one->is : GUARD_UNCHECKED;
    }
    mem_free(known);
    return list;
}

static struct guard_rules rules_of(const struct source *s)
{
    const struct config_discovery *d = &s->all->config->discovery;

    return (struct guard_rules){.max_drop = d->max_drop,
                                .min = d->min,
                                .confirm = d->confirm,
                                .confirm_ms = s->kind->tells_changes ? CONFIRM_MS : 0};
}

/* --- what a source says --- */

static void note_spoken(struct source *s)
{
    bool is_first = !s->has_spoken;

    s->has_spoken = true;
    if (is_first && all_have_spoken(s->all))
        publish(s->all);
}

static void take(struct source *s, struct found_list *next)
{
    found_dispose(&s->found);
    s->found = *next;
    atomic_store(&s->numbers->held, s->guard.held);
    publish(s->all);
}

static void log_taken(const struct source *s, const struct guard_result *r)
{
    if (r->added + r->removed > 0)
        log_event(LOG_INFO, "discovery_list",
                  LOG_PAIRS({"source", s->name}, {"#backends", LOG_NUMBER(s->found.count)},
                            {"#added", LOG_NUMBER(r->added)}, {"#removed", LOG_NUMBER(r->removed)}),
                  "%s has %u backends now: %u are new, and %u have left", s->name, s->found.count,
                  r->added, r->removed);
    if (r->began > 0)
        log_event(LOG_WARN, "discovery_held",
                  LOG_PAIRS({"source", s->name}, {"#held", LOG_NUMBER(r->held)}),
                  "%s leaves out %u backends at once, which is more than discovery.max_drop: each "
                  "stays %suntil %u lists in a row are without it, until its check fails, or until "
                  "as many new ones are up; discovery.max_drop = 1 believes any list",
                  s->name, r->began, s->kind->tells_changes ? "for 10 s at most, " : "",
                  s->all->config->discovery.confirm);
}

static void log_kept(struct source *s, const struct found_list *list)
{
    unsigned min = s->all->config->discovery.min;
    char has[32] = "no backend";

    atomic_fetch_add(&s->numbers->kept, 1);
    if (log_interval_count(&s->kept, loop_now_ms(s->all->loop), AGAIN_MS) == 0)
        return;
    if (list->count > 0)
        snprintf(has, sizeof has, "only %u", list->count);
    log_event(LOG_WARN, "discovery_kept", LOG_PAIRS({"source", s->name}),
              "%s has %s, the %u backends stay (discovery.min = %u)%s", s->name, has,
              s->found.count, min, min <= 1 ? "; discovery.min = 0 if an empty list is meant" : "");
}

static void note_answer(struct source *s)
{
    if (atomic_exchange(&s->numbers->failing_ms, 0) != 0)
        log_event(LOG_INFO, "discovery_back", LOG_PAIRS({"source", s->name}), "%s answers again",
                  s->name);
    s->failed = (struct log_interval){0};
}

void source_publish(struct source *s, const struct found_list *list)
{
    uint64_t now_ms = loop_now_ms(s->all->loop);
    struct guard_rules rules = rules_of(s);
    struct guard_result result;
    struct buffer wrong = {0};
    struct found_list next;
    uint8_t *standing;

    if (!allow_check(s->all->config, list, &wrong)) {
        source_failed(s, buffer_text(&wrong));
        buffer_dispose(&wrong);
        return;
    }
    note_answer(s);
    standing = standings(s);
    found_init(&next);
    for (unsigned i = 0; i < list->count; i++)
        found_copy(&next, &list->list[i]);
    result = guard_hear(&s->guard, &rules, &s->found, standing, &next, now_ms);
    mem_free(standing);
    if (result.fate == GUARD_TAKEN) {
        atomic_store(&s->numbers->heard_ms, now_ms);
        atomic_store(&s->numbers->stale_us, 0);
        atomic_fetch_add(&s->numbers->lists, 1);
        s->kept = (struct log_interval){0};
        take(s, &next);
        log_taken(s, &result);
    } else {
        log_kept(s, list);
        found_dispose(&next);
    }
    note_spoken(s);
}

void source_failed(struct source *s, const char *why)
{
    uint64_t now_ms = loop_now_ms(s->all->loop), since_ms = atomic_load(&s->numbers->failing_ms);
    uint64_t hash = hash_add(HASH_START, slice_of(why));

    atomic_fetch_add(&s->numbers->failures, 1);
    if (s->kind->tells_changes && hash != s->why) /* who mends a list wants to see the next fault */
        s->failed = (struct log_interval){0};
    s->why = hash;
    if (since_ms == 0)
        atomic_store(&s->numbers->failing_ms, since_ms = now_ms);
    if (log_interval_count(&s->failed, now_ms, AGAIN_MS) > 0)
        log_event(LOG_WARN, "discovery_failed",
                  LOG_PAIRS({"source", s->name}, {"reason", why},
                            {"#since", LOG_NUMBER((now_ms - since_ms) / 1000)}),
                  "%s gives no list, the %u backends stay: %s", s->name, s->found.count, why);
    note_spoken(s);
}

/* --- time --- */

static void source_look(struct source *s)
{
    struct guard_rules rules = rules_of(s);
    struct guard_result result;
    struct found_list next;
    uint8_t *standing;

    if (s->guard.held == 0)
        return;
    standing = standings(s);
    found_init(&next);
    result = guard_look(&s->guard, &rules, &s->found, standing, &next, loop_now_ms(s->all->loop));
    mem_free(standing);
    if (result.removed == 0) {
        found_dispose(&next);
        return;
    }
    take(s, &next);
    log_taken(s, &result);
}

static void on_look(struct deadline *deadline)
{
    struct discovery *d = list_entry(deadline, struct discovery, look);

    deadline_set(d->loop, &d->look, LOOK_MS);
    for (unsigned i = 0; i < d->count; i++)
        source_look(&d->sources[i]);
}

/* --- start and stop --- */

static void restore_one(struct source *s, const struct config_backend *b, bool drains)
{
    struct found_tag tags[FOUND_TAGS_MAX];
    struct found found = {.name = slice_of(b->name),
                          .address = slice_of(b->written),
                          .tags = tags,
                          .weight = b->weight,
                          .priority = b->priority,
                          .max_in_flight = b->max_in_flight,
                          .draining = drains};

    for (unsigned i = 0; i < b->tags.count && i < FOUND_TAGS_MAX; i++)
        tags[found.tags_count++] =
            (struct found_tag){slice_of(b->tags.list[i].name), slice_of(b->tags.list[i].value)};
    found_copy(&s->found, &found);
    s->has_spoken = true;
}

static struct source *find_source(struct discovery *d, const char *name)
{
    for (unsigned i = 0; i < d->count; i++)
        if (strcmp(d->sources[i].name, name) == 0)
            return &d->sources[i];
    return NULL;
}

/* What the monitor before has found, as far as the roster has it. */
static void restore(struct discovery *d)
{
    const struct membership *m = d->members;
    struct roster_list *list = mem_alloc(sizeof *list);
    struct segment_source before[ROSTER_SOURCES_MAX];
    struct roster_entry entry;

    memcpy(before, d->segment->sources, sizeof before);
    memset(d->segment->sources, 0, sizeof before);
    if (!roster_read_list(d->segment, roster_listed(d->segment), list))
        list->head.sources = 0;
    for (unsigned i = 0; i < list->head.sources; i++) {
        struct source *s = find_source(d, list->head.names[i]);

        if (s != NULL)
            memcpy(s->numbers, &before[i], sizeof before[i]);
    }
    for (unsigned i = 0; i < m->listed && list->head.sources > 0; i++) {
        const struct member *member = &m->list[m->order[i]];
        struct source *s;

        if (member->own == NULL || !roster_read(d->segment, member->own->slot, &entry) ||
            entry.source == 0 || entry.source > list->head.sources)
            continue;
        s = find_source(d, list->head.names[entry.source - 1]);
        if (s != NULL)
            restore_one(s, member->own, entry.drains != 0);
    }
    mem_free(list);
}

static const struct source_kind *kind_of(const char *name)
{
    for (unsigned i = 0; i < KINDS; i++)
        if (slice_begins(slice_of(name), slice_of(kinds[i]->prefix)))
            return kinds[i];
    CHECK(false); /* config/sources.c knows no others */
    return NULL;
}

static void source_init(struct source *s, struct discovery *d, unsigned index)
{
    *s = (struct source){.all = d,
                         .name = d->config->sources[index].text,
                         .numbers = &d->segment->sources[index],
                         .kind = kind_of(d->config->sources[index].text)};
    found_init(&s->found);
}

struct discovery *discovery_new(struct loop *loop, const struct membership *members,
                                struct segment *segment, discovery_wanted *on_wanted, void *owner)
{
    const struct config *config = members->config;
    unsigned count = config->sources_count;
    struct discovery *d;

    atomic_store(&segment->given.is_taken, 0);
    atomic_store(&segment->sources_count, count);
    if (count == 0)
        return NULL;
    d = mem_zalloc(sizeof *d + count * sizeof *d->sources);
    d->loop = loop;
    d->members = members;
    d->config = config;
    d->segment = segment;
    d->on_wanted = on_wanted;
    d->owner = owner;
    d->count = count;
    deadline_init(&d->publish, on_publish);
    deadline_init(&d->look, on_look);
    deadline_set(loop, &d->look, LOOK_MS);
    for (unsigned i = 0; i < count; i++)
        source_init(&d->sources[i], d, i);
    restore(d);
    for (unsigned i = 0; i < count; i++)
        atomic_store(&d->sources[i].numbers->backends, d->sources[i].found.count);
    if (all_have_spoken(d))
        publish(d);
    for (unsigned i = 0; i < count; i++) {
        struct source *s = &d->sources[i];

        s->own =
            s->kind->open(s, slice_from(slice_of(s->name), strlen(s->kind->prefix)), loop, config);
    }
    return d;
}

void discovery_free(struct discovery *d)
{
    if (d == NULL)
        return;
    deadline_clear(&d->publish);
    deadline_clear(&d->look);
    for (unsigned i = 0; i < d->count; i++) {
        d->sources[i].kind->close(d->sources[i].own);
        found_dispose(&d->sources[i].found);
    }
    mem_free(d);
}
