#include "discover/merge.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

enum { CELLS = 4 * SEGMENT_BACKENDS_MAX /* a power of two */, TELL_MS = 60 * 1000 };

/* Who has it; if nobody, it is that source's now. */
static unsigned claim(struct merge_cell *cells, struct slice text, unsigned source)
{
    uint64_t hash = hash_mix(hash_add(HASH_START, text)) | 1;
    unsigned at = (unsigned)(hash >> 8) & (CELLS - 1);

    while (cells[at].hash != 0 && cells[at].hash != hash)
        at = (at + 1) & (CELLS - 1);
    if (cells[at].hash == 0)
        cells[at] = (struct merge_cell){hash, source};
    return cells[at].source;
}

static struct slice without_scheme(struct slice address)
{
    return slice_begins_nocase(address, SLICE("http://"))  ? slice_from(address, 7)
           : slice_begins_nocase(address, SLICE("h2c://")) ? slice_from(address, 6)
                                                           : address;
}

void merge_begin(struct merge *m, const struct config *config, uint64_t edition)
{
    *m = (struct merge){.config = config, .head.edition = edition};
    m->names = mem_zalloc(CELLS * sizeof *m->names);
    m->addresses = mem_zalloc(CELLS * sizeof *m->addresses);
    for (unsigned i = 0; i < config->backends_count; i++) {
        (void)claim(m->names, slice_of(config->backends[i].name), 0);
        (void)claim(m->addresses, slice_of(config->backends[i].text), 0);
    }
}

static void put(char *room, size_t bytes, struct slice text)
{
    memcpy(room, text.start, text.length < bytes ? text.length : bytes - 1);
}

static void append_quoted(struct buffer *out, struct slice text)
{
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < text.length; i++) {
        if (text.start[i] == '"' || text.start[i] == '\\')
            buffer_append_byte(out, '\\');
        buffer_append_byte(out, text.start[i]);
    }
    buffer_append_byte(out, '"');
}

static void describe(struct roster_entry *out, const struct found *f, const struct merge *m)
{
    struct buffer tags = {0};

    memset(out, 0, sizeof *out);
    put(out->name, sizeof out->name, f->name);
    put(out->address, sizeof out->address, f->address);
    for (unsigned i = 0; i < f->tags_count; i++) {
        if (i > 0)
            buffer_append_byte(&tags, ',');
        append_quoted(&tags, f->tags[i].name);
        buffer_append_byte(&tags, ':');
        append_quoted(&tags, f->tags[i].value);
    }
    put(out->tags, sizeof out->tags, buffer_slice(&tags));
    buffer_dispose(&tags);
    out->weight = f->weight;
    out->max_in_flight = f->max_in_flight;
    out->ramp_ms = (uint32_t)m->config->health.slow_start_ms;
    out->priority = f->priority;
    out->source = m->head.sources;
    out->drains = f->draining || f->weight == 0;
}

static bool is_twice(struct merge *m, const struct found *f)
{
    unsigned source = m->head.sources;

    return claim(m->names, f->name, source) != source ||
           claim(m->addresses, without_scheme(f->address), source) != source;
}

void merge_add(struct merge *m, const char *source, const struct found_list *list)
{
    unsigned limit = SEGMENT_BACKENDS_MAX - m->config->backends_count;

    put(m->head.names[m->head.sources], ROSTER_SOURCE_BYTES, slice_of(source));
    m->head.sources++;
    m->room += list->count;
    m->entries = mem_realloc(m->entries, (m->room + 1) * sizeof *m->entries);
    for (unsigned i = 0; i < list->count; i++) {
        if (m->head.count == limit || is_twice(m, &list->list[i])) {
            m->twice++;
            m->twice_name = list->list[i].name.start;
            m->twice_source = source;
            continue;
        }
        describe(&m->entries[m->head.count++], &list->list[i], m);
    }
}

void merge_end(struct merge *m, struct segment *segment)
{
    static struct log_interval told;

    roster_want(segment, &m->head, m->entries);
    if (m->twice == 0)
        told = (struct log_interval){0};
    else if (log_interval_count(&told, clock_steady_ms(), TELL_MS) > 0)
        log_event(LOG_WARN, "discovery_twice",
                  LOG_PAIRS({"source", m->twice_source}, {"backend", m->twice_name}),
                  "%s of %s has the name or the address of a backend that is there already (or "
                  "there are more than %d): %u are left out",
                  m->twice_name, m->twice_source, SEGMENT_BACKENDS_MAX, m->twice);
    mem_free(m->entries);
    mem_free(m->names);
    mem_free(m->addresses);
}
