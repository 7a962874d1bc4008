#include "admin/metrics.h"

#include "admin/metrics_inside.h"
#include "base/clock.h"
#include "base/hash.h"
#include "shared/backend_numbers.h"

/* --- which backends --- */

enum { PLACES = 2 * SEGMENT_BACKENDS_MAX };

/* While another script takes over, two backends may have one name, the old one and the new; but a
 * page has no line twice. Then only the one with more tries is shown. Looked up for each page, and
 * when a backend changes. */
static struct shown {
    uint64_t generation;
    bool is_known;
    bool has[SEGMENT_BACKENDS_MAX];
    uint64_t hashes[PLACES];
    uint16_t slots[PLACES];
} shown;

static bool read_name(const struct segment *s, unsigned slot, struct roster_entry *who)
{
    return segment_slot_is_used(s, slot) && roster_read(s, slot, who);
}

static void show(const struct segment *s, unsigned slot, const char *name)
{
    uint64_t hash = hash_mix(hash_add(HASH_START, slice_of(name))) | 1;
    unsigned at = (unsigned)(hash % PLACES);

    while (shown.hashes[at] != 0 && shown.hashes[at] != hash)
        at = (at + 1) % PLACES;
    if (shown.hashes[at] == hash) {
        unsigned other = shown.slots[at];

        if (numbers_requests(s, other) >= numbers_requests(s, slot))
            return;
        shown.has[other] = false;
    }
    shown.hashes[at] = hash;
    shown.slots[at] = (uint16_t)slot;
    shown.has[slot] = true;
}

static void shown_look(const struct segment *s)
{
    uint64_t generation = atomic_load(&s->generation);
    unsigned slots = atomic_load(&s->backends_count);
    struct roster_entry who;

    if (shown.is_known && shown.generation == generation)
        return;
    memset(&shown, 0, sizeof shown);
    shown.generation = generation;
    shown.is_known = true;
    for (unsigned slot = 0; slot < slots && slot < SEGMENT_BACKENDS_MAX; slot++)
        if (read_name(s, slot, &who))
            show(s, slot, who.name);
}

/* --- families --- */

static void put_head(struct metrics *m)
{
    if (m->family->name != NULL)
        metrics_put_head(m, m->family->name, m->family->help, m->family->type);
}

static void put_counts(struct metrics *m)
{
    for (const struct metrics_count *c = m->family->counts; c->value != NULL; c++) {
        char room[METRICS_LABELS_BYTES];
        struct slice label = SLICE("");

        if (m->family->label != NULL)
            label = metrics_label(room, m->family->label, slice_of(c->value));
        metrics_put(m, label, SLICE(""), metrics_sum(m, c->total));
    }
}

/* True: more follows. */
static bool put_backends(struct metrics *m)
{
    unsigned slots = atomic_load(&m->segment->backends_count);
    struct roster_entry who;

    for (; m->at < slots && buffer_length(m->out) < ANSWER_PIECE_BYTES; m->at++)
        if (shown.has[m->at] && read_name(m->segment, m->at, &who)) {
            char room[METRICS_LABELS_BYTES];

            m->family->write_backend(m, m->at, metrics_label(room, "backend", slice_of(who.name)));
        }
    return m->at < slots;
}

static bool put_family(struct metrics *m)
{
    if (m->at == 0)
        put_head(m);
    if (m->family->write_backend != NULL)
        return put_backends(m);
    if (m->family->write == NULL)
        put_counts(m);
    else
        m->family->write(m);
    return m->family->has_pieces && m->at != 0;
}

/* --- the page --- */

/* Prometheus names it first, or not at all. */
static bool wants_open_metrics(const struct answer *a)
{
    const struct slice *accept = head_find(a->head, SLICE("accept"));
    struct slice rest = accept != NULL ? *accept : SLICE("");

    while (rest.length > 0) {
        struct slice one = slice_take_until(&rest, ',');

        if (slice_is_nocase(slice_trim(slice_take_until(&one, ';')),
                            SLICE("application/openmetrics-text")))
            return true;
    }
    return false;
}

static struct metrics metrics_begin(struct answer *a, struct buffer *out)
{
    return (struct metrics){.admin = a->admin,
                            .segment = a->admin->segment,
                            .out = out,
                            .is_open = wants_open_metrics(a),
                            .now_ms = clock_steady_ms(),
                            .at = (uint32_t)a->at};
}

enum answer_step metrics_page(struct answer *a, struct buffer *out)
{
    struct metrics m = metrics_begin(a, out);
    unsigned family = (unsigned)(a->at >> 32);

    if (a->at == 0)
        shown.is_known = false;
    shown_look(m.segment);
    a->type = m.is_open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                        : "text/plain; version=0.0.4; charset=utf-8";
    for (; family < metrics_families_count && buffer_length(out) < ANSWER_PIECE_BYTES; family++) {
        m.family = &metrics_families[family];
        if (put_family(&m))
            break;
        m.at = 0;
    }
    a->at = (uint64_t)family << 32 | m.at;
    if (family < metrics_families_count)
        return ANSWER_MORE;
    if (m.is_open)
        buffer_append_text(out, "# EOF\n");
    return ANSWER_DONE;
}
