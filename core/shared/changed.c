/*
 *   was   [ record, record, .. ]  --by hash of what each is about-->  places
 *   is    each record finds its like there, which is marked; those without a mark are gone
 */
#include "shared/changed.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

struct known {
    struct slice whole;
    struct record record;
    uint64_t hash;
    bool is_there; /* in the later text, too */
};

struct places {
    struct known *list;
    uint32_t *places; /* by hash: a number in the list, + 1; 0: free */
    size_t count, room;
};

/* The facts that say what a record is about. */
static const char *const names[] = {"name", "labels", "kind", "key", "identity", "text"};

enum { NAMES = sizeof names / sizeof *names };

static struct slice name_of(const struct record *r, unsigned i)
{
    bool is_content = strcmp(names[i], "text") == 0 && !record_is(r, "series");

    return is_content ? SLICE("") : record_bytes(r, names[i]);
}

static uint64_t hash_of(const struct record *r)
{
    uint64_t hash = hash_add(HASH_START, r->kind);

    for (unsigned i = 0; i < NAMES; i++)
        hash = hash_mix(hash_add(hash, name_of(r, i)));
    return hash;
}

static bool are_alike(const struct record *a, const struct record *b)
{
    bool same = slice_is(a->kind, b->kind);

    for (unsigned i = 0; same && i < NAMES; i++)
        same = slice_is(name_of(a, i), name_of(b, i));
    return same;
}

/* The next record, and all of its bytes. */
static bool take(struct slice *rest, struct slice *whole, struct record *r)
{
    const char *start = rest->start;

    if (!records_next(rest, r))
        return false;
    *whole = (struct slice){start, (size_t)(rest->start - start)};
    return true;
}

static size_t count_records(struct slice text)
{
    struct record r;
    size_t count = 0;

    while (records_next(&text, &r))
        count++;
    return count;
}

/* The place of its like, or the free one where it would be. */
static uint32_t *place_of(const struct places *p, const struct record *r, uint64_t hash)
{
    size_t at = hash % p->room;

    for (;; at = (at + 1) % p->room) {
        const struct known *known = p->places[at] != 0 ? &p->list[p->places[at] - 1] : NULL;

        if (known == NULL || (known->hash == hash && are_alike(&known->record, r)))
            return &p->places[at];
    }
}

static void places_fill(struct places *p, struct slice text)
{
    struct known known = {.is_there = false};

    p->count = count_records(text);
    p->room = 2 * p->count + 1;
    p->list = mem_alloc((p->count + 1) * sizeof *p->list);
    p->places = mem_zalloc(p->room * sizeof *p->places);
    for (uint32_t i = 0; take(&text, &known.whole, &known.record); i++) {
        known.hash = hash_of(&known.record);
        p->list[i] = known;
        *place_of(p, &known.record, known.hash) = i + 1;
    }
}

static void add(struct buffer *out, struct slice was, struct slice is)
{
    size_t begun = records_begin(out, "change");

    records_add(out, "was", was);
    records_add(out, "is", is);
    records_end(out, begun);
}

void changed_write(struct slice was, struct slice is, struct buffer *out)
{
    struct places p;
    struct slice whole;
    struct record r;

    places_fill(&p, was);
    while (take(&is, &whole, &r)) {
        uint32_t place = *place_of(&p, &r, hash_of(&r));
        struct known *known = place != 0 ? &p.list[place - 1] : NULL;

        if (known != NULL)
            known->is_there = true;
        if (known == NULL || !slice_is(known->whole, whole))
            add(out, known != NULL ? known->whole : SLICE(""), whole);
    }
    for (size_t i = 0; i < p.count; i++)
        if (!p.list[i].is_there)
            add(out, p.list[i].whole, SLICE(""));
    mem_free(p.list);
    mem_free(p.places);
}

/* --- reading --- */

static void read_one(const struct record *change, const char *name, struct record *out)
{
    struct slice text = record_bytes(change, name);

    if (!records_next(&text, out))
        *out = (struct record){SLICE(""), SLICE("")};
}

bool changed_next(struct slice *rest, struct record *was, struct record *is)
{
    struct record change;

    do
        if (!records_next(rest, &change))
            return false;
    while (!record_is(&change, "change"));
    read_one(&change, "was", was);
    read_one(&change, "is", is);
    return true;
}
