#include "discover/given.h"

#include "base/mem.h"
#include "discover/schema.h"
#include "net/deadline.h"
#include "shared/roster.h"

enum { LOOK_MS = 50 };

struct given {
    struct source *source;
    struct segment *segment;
    struct loop *loop;
    struct deadline look;
    uint64_t number; /* of the list that was read last */
    bool has_looked;
};

static void read_list(struct given *g)
{
    struct buffer text = {0}, wrong = {0};
    struct found_list list;

    found_init(&list);
    if (!roster_read_given(g->segment, g->number, &text))
        g->number = 0; /* the next one is being written: again */
    else if (schema_read(&list, buffer_slice(&text), &wrong))
        source_publish(g->source, &list);
    else
        source_failed(g->source, buffer_text(&wrong));
    found_dispose(&list);
    buffer_dispose(&text);
    buffer_dispose(&wrong);
}

static void on_look(struct deadline *d)
{
    struct given *g = list_entry(d, struct given, look);
    uint64_t number = roster_given(g->segment);
    bool is_first = !g->has_looked;

    deadline_set(g->loop, &g->look, LOOK_MS);
    g->has_looked = true;
    if (number != 0 && number != g->number) {
        g->number = number;
        read_list(g);
    } else if (is_first && !source_has_list(g->source)) {
        source_failed(g->source, "PUT /backends has not come yet");
    }
}

static void *open_given(struct source *source, struct slice text, struct loop *loop,
                        const struct config *config)
{
    struct given *g = mem_zalloc(sizeof *g);

    (void)text;
    (void)config;
    g->source = source;
    g->segment = source_segment(source);
    g->loop = loop;
    deadline_init(&g->look, on_look);
    deadline_set(loop, &g->look, 0);
    atomic_store(&g->segment->given.is_taken, 1);
    return g;
}

static void close_given(void *own)
{
    struct given *g = own;

    deadline_clear(&g->look);
    mem_free(g);
}

const struct source_kind given_kind = {
    .prefix = "admin", .tells_changes = true, .open = open_given, .close = close_given};
