#include "shared/lasting.h"

#include "base/clock.h"
#include "shared/carried.h"
#include "shared/changes.h"
#include "shared/ejection.h"
#include "shared/roster.h"

enum { EJECTED_MS_MAX = 86400 * 1000 };

/* --- out --- */

/* Until when a person has put it out; 0: nobody has. */
static uint64_t ejected_until_ms(const struct segment *s, unsigned slot,
                                 const struct change *changes, unsigned count)
{
    struct ejection e = ejection_unpack(atomic_load(&s->backends[slot].ejection));

    if (e.state != EJECTION_OUT || e.at_ms <= clock_steady_ms())
        return 0;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(changes[i].to, "ejected") == 0)
            return strcmp(changes[i].by, "admin") == 0 ? e.at_ms : 0;
    return 0;
}

static void write_change(uint64_t identity, const struct change *change, struct buffer *out)
{
    size_t begun = records_begin(out, "change");

    records_add_number(out, "identity", identity);
    records_add_number(out, "wall_us", change->wall_us);
    records_add(out, "from", slice_of(change->from));
    records_add(out, "to", slice_of(change->to));
    records_add(out, "by", slice_of(change->by));
    records_add(out, "why", slice_of(change->why));
    records_end(out, begun);
}

static void write_backend(const struct segment *s, unsigned slot, uint64_t identity,
                          uint64_t zero_ms, struct buffer *out)
{
    const struct segment_backend *b = &s->backends[slot];
    struct change changes[CHANGES_KEPT];
    unsigned count = changes_read(s, slot, changes);
    uint64_t until_ms = ejected_until_ms(s, slot, changes, count);
    struct roster_entry who = {0};
    size_t begun;

    if (atomic_load(&b->by_admin) == 0 && until_ms == 0)
        return;
    begun = records_begin(out, "backend");
    records_add_number(out, "identity", identity);
    records_add(out, "name", slice_of(roster_read(s, slot, &who) ? who.name : ""));
    records_add_number(out, "by_admin", atomic_load(&b->by_admin));
    records_add_number(out, "draining", atomic_load(&b->draining));
    records_add_number(out, "drained_ms", zero_ms + atomic_load(&b->drained_ms));
    records_add_number(out, "weight", atomic_load(&b->weight));
    records_add_number(out, "script_drains", atomic_load(&b->script_drains));
    records_add_number(out, "script_weight", atomic_load(&b->script_weight));
    if (until_ms != 0) {
        records_add_number(out, "ejected_ms", zero_ms + atomic_load(&b->ejected_ms));
        records_add_number(out, "ejected_until_ms", zero_ms + until_ms);
    }
    records_end(out, begun);
    while (count-- > 0)
        if (strcmp(changes[count].by, "admin") == 0)
            write_change(identity, &changes[count], out);
}

void lasting_write(struct segment *s, const struct slots *slots, uint64_t zero_ms,
                   struct buffer *out)
{
    for (unsigned i = 0; i < SEGMENT_BACKENDS_MAX; i++)
        if (slots_has(slots, i))
            write_backend(s, i, slots->identity[i], zero_ms, out);
    carried_write_kept(s, zero_ms, out);
}

/* --- in --- */

/* By the steady clock of now: what is older than that clock was at its beginning. */
static uint64_t steady_of(const struct record *r, const char *name, uint64_t zero_ms)
{
    uint64_t wall_ms = record_number(r, name, 0), now_ms = clock_steady_ms();

    if (wall_ms <= zero_ms)
        return 0;
    return wall_ms - zero_ms < now_ms ? wall_ms - zero_ms : now_ms;
}

static void read_ejection(struct segment_backend *b, const struct record *r, uint64_t zero_ms)
{
    uint64_t until_ms = record_number(r, "ejected_until_ms", 0), now_ms = clock_steady_ms();

    if (until_ms <= zero_ms + now_ms)
        return;
    until_ms -= zero_ms;
    if (until_ms > now_ms + EJECTED_MS_MAX) /* the wall clock went back */
        until_ms = now_ms + EJECTED_MS_MAX;
    atomic_store(&b->ejected_ms, steady_of(r, "ejected_ms", zero_ms));
    atomic_store(&b->ejection,
                 ejection_pack((struct ejection){
                     .state = EJECTION_OUT, .count = 1, .tag = 1, .at_ms = until_ms}));
}

static void read_backend(struct segment_backend *b, const struct record *r, uint64_t zero_ms)
{
    uint64_t by_admin = record_number(r, "by_admin", 0);

    read_ejection(b, r, zero_ms);
    if (by_admin == 0)
        return;
    atomic_store(&b->by_admin, (uint32_t)by_admin);
    atomic_store(&b->draining, record_number(r, "draining", 0) != 0);
    atomic_store(&b->drained_ms, steady_of(r, "drained_ms", zero_ms));
    atomic_store(&b->weight, (uint32_t)record_number(r, "weight", 0));
    atomic_store(&b->script_drains, record_number(r, "script_drains", 0) != 0);
    atomic_store(&b->script_weight, (uint32_t)record_number(r, "script_weight", 0));
}

static void put(char *room, size_t bytes, struct slice text)
{
    memcpy(room, text.start, text.length < bytes ? text.length : bytes - 1);
}

static void read_change(struct segment *s, unsigned slot, const struct record *r)
{
    struct change change;

    memset(&change, 0, sizeof change);
    change.wall_us = record_number(r, "wall_us", 0);
    put(change.from, sizeof change.from, record_bytes(r, "from"));
    put(change.to, sizeof change.to, record_bytes(r, "to"));
    put(change.by, sizeof change.by, record_bytes(r, "by"));
    put(change.why, sizeof change.why, record_bytes(r, "why"));
    changes_put(s, slot, &change);
}

static unsigned find(const struct slots *slots, uint64_t identity)
{
    for (unsigned i = 0; identity != 0 && i < SEGMENT_BACKENDS_MAX; i++)
        if (slots->identity[i] == identity)
            return i;
    return SEGMENT_BACKENDS_MAX;
}

void lasting_read(struct segment *s, const struct slots *slots, uint64_t zero_ms, struct slice text)
{
    struct record r;

    (void)carried_read_values(s, zero_ms, text); /* the table is empty: there is room */
    while (records_next(&text, &r)) {
        unsigned slot = find(slots, record_number(&r, "identity", 0));

        if (slot == SEGMENT_BACKENDS_MAX)
            continue;
        if (record_is(&r, "backend"))
            read_backend(segment_backend(s, slot), &r, zero_ms);
        else if (record_is(&r, "change"))
            read_change(s, slot, &r);
    }
    segment_note_change(s);
}
