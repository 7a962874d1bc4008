/*
 * outbox - core/net/outbox.c with outlets that note what is written, for specs.
 */
#include "net/outbox.c"

#include <stdio.h>

enum { OUTLETS = 40 };

static struct outbox box;
static struct outlet outlets[OUTLETS];
static char notes[1 << 20];
static size_t noted;
static bool is_full, is_stale;

static bool note_may_defer(const struct outlet *outlet)
{
    (void)outlet;
    return !is_full;
}

static bool note_may_leave(struct outlet *outlet)
{
    (void)outlet;
    return !is_stale;
}

static void note_write(struct outlet *outlet, const uv_buf_t *parts, unsigned count,
                       size_t total_bytes)
{
    size_t before;

    noted += (size_t)snprintf(notes + noted, sizeof notes - noted, "%d ", (int)(outlet - outlets));
    before = noted;
    for (unsigned i = 0; i < count; i++) {
        memcpy(notes + noted, parts[i].base, parts[i].len);
        noted += parts[i].len;
    }
    CHECK(noted - before == total_bytes);
    notes[noted++] = '\n';
}

static const struct outlet_kind kind = {
    .may_defer = note_may_defer, .may_leave = note_may_leave, .write = note_write};

void play_outbox_begin(void)
{
    box.kind = &kind;
    memset(outlets, 0, sizeof outlets);
    outbox_send_all_deferred(&box);
    noted = 0;
    is_full = is_stale = false;
}

void play_outbox_add(int outlet, const char *bytes, size_t length)
{
    outbox_add(&box, &outlets[outlet], (struct slice){bytes, length});
}

void play_outbox_end_event(void)
{
    outbox_end_event(&box);
}

void play_outbox_send(int outlet)
{
    outbox_send(&box, &outlets[outlet]);
}

void play_outbox_drop(int outlet)
{
    outbox_drop(&box, &outlets[outlet]);
}

void play_outbox_share(int outlet)
{
    outlets[outlet].is_shared = true;
}

void play_outbox_turn(void)
{
    outbox_send_all_deferred(&box);
}

void play_outbox_fill(bool full)
{
    is_full = full;
}

void play_outbox_spoil(bool stale)
{
    is_stale = stale;
}

size_t play_outbox_notes(const char **text)
{
    size_t length = noted;

    *text = notes;
    noted = 0;
    return length;
}
