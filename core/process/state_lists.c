#include "process/state_lists.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/records.h"
#include "reload/edition.h"
#include "shared/roster.h"

static const uint64_t HOUR_US = 3600ull * 1000 * 1000;

/* --- out --- */

static void write_source(const struct segment *s, unsigned i, const char *name, struct buffer *out)
{
    const struct segment_source *source = &s->sources[i];
    uint64_t heard_ms = atomic_load(&source->heard_ms), stale_us = atomic_load(&source->stale_us);
    size_t begun = records_begin(out, "source");

    if (stale_us == 0 && heard_ms != 0)
        stale_us = clock_wall_us() - (clock_steady_ms() - heard_ms) * 1000;
    records_add(out, "name", slice_of(name));
    records_add_number(out, "heard_us", stale_us / HOUR_US * HOUR_US);
    records_end(out, begun);
}

static void write_found(const struct segment *s, unsigned slot, struct buffer *out)
{
    struct roster_entry e;
    size_t begun;

    if (!roster_read(s, slot, &e) || e.source == 0)
        return;
    begun = records_begin(out, "found");
    records_add_number(out, "source", e.source);
    records_add(out, "name", slice_of(e.name));
    records_add(out, "address", slice_of(e.address));
    records_add(out, "tags", slice_of(e.tags));
    records_add_number(out, "weight", e.weight);
    records_add_number(out, "max_in_flight", e.max_in_flight);
    records_add_number(out, "priority", e.priority);
    records_add_number(out, "drains", e.drains);
    records_end(out, begun);
}

void state_lists_write(const struct segment *s, struct buffer *out)
{
    struct roster_list *list = mem_alloc(sizeof *list);

    if (roster_read_list(s, roster_listed(s), list)) {
        for (unsigned i = 0; i < list->head.sources; i++)
            write_source(s, i, list->head.names[i], out);
        for (unsigned i = 0; i < list->head.count; i++)
            write_found(s, list->slots[i], out);
    }
    mem_free(list);
}

/* --- in --- */

struct lists {
    struct segment *segment;
    const struct config *config;
    struct roster_head head;
    struct roster_entry *entries;
    uint32_t numbers[ROSTER_SOURCES_MAX]; /* of the file's sources, in ours; 0: it is none */
    unsigned sources;                     /* of the file */
};

static void put(char *room, size_t bytes, struct slice text)
{
    memcpy(room, text.start, text.length < bytes ? text.length : bytes - 1);
}

static void read_source(struct lists *l, const struct record *r)
{
    struct slice name = record_bytes(r, "name");

    if (l->sources == ROSTER_SOURCES_MAX)
        return;
    for (unsigned i = 0; i < l->config->sources_count; i++) {
        if (!slice_is(name, slice_of(l->config->sources[i].text)))
            continue;
        l->numbers[l->sources] = i + 1;
        atomic_store(&l->segment->sources[i].stale_us, record_number(r, "heard_us", 0) + 1);
    }
    l->sources++;
}

static void read_found(struct lists *l, const struct record *r)
{
    uint64_t source = record_number(r, "source", 0);
    struct roster_entry *e = &l->entries[l->head.count];

    if (source == 0 || source > l->sources || l->numbers[source - 1] == 0 ||
        l->head.count + l->config->backends_count >= SEGMENT_BACKENDS_MAX)
        return;
    l->head.count++;
    memset(e, 0, sizeof *e);
    put(e->name, sizeof e->name, record_bytes(r, "name"));
    put(e->address, sizeof e->address, record_bytes(r, "address"));
    put(e->tags, sizeof e->tags, record_bytes(r, "tags"));
    e->weight = (uint32_t)record_number(r, "weight", 1) & 0xffff;
    e->max_in_flight = (uint32_t)record_number(r, "max_in_flight", 0);
    e->ramp_ms = (uint32_t)l->config->health.slow_start_ms;
    e->priority = (uint32_t)record_number(r, "priority", 0);
    e->source = l->numbers[source - 1];
    e->drains = record_number(r, "drains", 0) != 0;
}

void state_lists_read(struct segment *segment, const struct config *config, struct slice records)
{
    struct lists l = {.segment = segment,
                      .config = config,
                      .head = {.edition = EDITION_FIRST, .sources = config->sources_count}};
    struct record r;

    if (config->sources_count == 0)
        return;
    l.entries = mem_alloc(SEGMENT_BACKENDS_MAX * sizeof *l.entries);
    for (unsigned i = 0; i < config->sources_count; i++)
        put(l.head.names[i], ROSTER_SOURCE_BYTES, slice_of(config->sources[i].text));
    while (records_next(&records, &r)) {
        if (record_is(&r, "source"))
            read_source(&l, &r);
        else if (record_is(&r, "found"))
            read_found(&l, &r);
    }
    if (l.head.count > 0)
        roster_want(segment, &l.head, l.entries);
    mem_free(l.entries);
}
