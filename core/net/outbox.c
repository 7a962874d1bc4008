/*
 * Two steps on the way out of what an event has to say:
 *
 *   outbox_add --> added, by one outlet --event over--> deferred, by several --> the kernel
 *                    |                                    ^ what was ready is handled
 *                    '--- more than a little, or outbox_send --------------------> the kernel
 *
 * The first step makes one write of many parts. The second one is for the peers: each write wakes
 * its reader, which is expensive; writes close together wake it once. Other streams usually lead to
 * the same few processes, or at least to the same machine's.
 */
#include "net/outbox.h"

#include "base/check.h"

#include <string.h>

/* --- deferred --- */

/* Its place, with room for so many bytes more. False: it has deferred too much. */
static bool outbox_find_place(struct outbox *o, struct outlet *outlet, size_t bytes)
{
    if (outlet->deferred_at != 0)
        return o->lengths[outlet->deferred_at - 1] + bytes <= OUTBOX_DEFERRED_ROOM;
    if (o->deferred_count == OUTBOX_DEFERRED)
        outbox_send_all_deferred(o);
    o->lengths[o->deferred_count] = 0;
    o->deferred[o->deferred_count++] = outlet;
    outlet->deferred_at = (unsigned char)o->deferred_count;
    return true;
}

static bool outbox_copy(struct outbox *o, struct outlet *outlet, unsigned count, size_t total_bytes)
{
    unsigned at;
    char *copy;

    if (total_bytes > (outlet->is_shared ? OUTBOX_SHARED_BYTES : OUTBOX_DEFERRED_BYTES) ||
        !o->kind->may_defer(outlet) || !outbox_find_place(o, outlet, total_bytes))
        return false;
    at = outlet->deferred_at - 1U;
    copy = o->bytes[at] + o->lengths[at];
    for (unsigned i = 1; i <= count; i++) {
        memcpy(copy, o->parts[i].base, o->parts[i].len);
        copy += o->parts[i].len;
    }
    o->lengths[at] += total_bytes;
    return true;
}

/* Empties a place; what was there is in *whole, until something is deferred again. False: nothing
 * that may go out. */
static bool outbox_take_deferred(struct outbox *o, unsigned i, uv_buf_t *whole)
{
    struct outlet *outlet = o->deferred[i];

    o->deferred[i] = NULL;
    if (outlet == NULL)
        return false;
    outlet->deferred_at = 0;
    *whole = (uv_buf_t){.base = o->bytes[i], .len = o->lengths[i]};
    return o->kind->may_leave(outlet);
}

static void outbox_write_deferred(struct outbox *o, unsigned i)
{
    struct outlet *outlet = o->deferred[i];
    uv_buf_t whole;

    if (outbox_take_deferred(o, i, &whole))
        o->kind->write(outlet, &whole, 1, whole.len);
}

void outbox_send_all_deferred(struct outbox *o)
{
    for (unsigned i = 0; i < o->deferred_count; i++)
        outbox_write_deferred(o, i);
    o->deferred_count = 0;
}

static void outbox_send_deferred(struct outbox *o, const struct outlet *outlet)
{
    if (outlet->deferred_at != 0)
        outbox_write_deferred(o, outlet->deferred_at - 1U);
}

/* --- added --- */

static void outbox_forget(struct outbox *o)
{
    o->outlet = NULL;
    o->count = 0;
    o->total_bytes = o->scratch_used = 0;
}

/* What was deferred before goes in front, in the same write. */
static void outbox_write_all(struct outbox *o, struct outlet *outlet, unsigned count,
                             size_t total_bytes)
{
    uv_buf_t *parts = o->parts + 1;

    if (outlet->deferred_at != 0 &&
        outbox_take_deferred(o, outlet->deferred_at - 1U, &o->parts[0])) {
        parts = o->parts;
        count++;
        total_bytes += parts[0].len;
    }
    o->kind->write(outlet, parts, count, total_bytes);
}

static void outbox_write(struct outbox *o, bool may_defer)
{
    struct outlet *outlet = o->outlet;
    unsigned count = o->count;
    size_t total_bytes = o->total_bytes;

    outbox_forget(o);
    if (count == 0 || (may_defer && outbox_copy(o, outlet, count, total_bytes)))
        return;
    outbox_write_all(o, outlet, count, total_bytes);
}

void outbox_flush(struct outbox *o)
{
    outbox_write(o, true);
}

static void outbox_append(struct outbox *o, struct outlet *outlet, const char *start, size_t length)
{
    o->outlet = outlet;
    o->parts[++o->count] = (uv_buf_t){.base = (char *)start, .len = length};
    o->total_bytes += length;
}

void outbox_add(struct outbox *o, struct outlet *outlet, struct slice bytes)
{
    if (bytes.length == 0)
        return;
    if (o->outlet != outlet || o->count == OUTBOX_PARTS)
        outbox_write(o, true);
    outbox_append(o, outlet, bytes.start, bytes.length);
}

void outbox_add_copy(struct outbox *o, struct outlet *outlet, struct slice bytes)
{
    char *copy;

    CHECK(bytes.length <= OUTBOX_COPY_MAX);
    if (o->outlet != outlet || o->count == OUTBOX_PARTS ||
        o->scratch_used + OUTBOX_COPY_MAX > OUTBOX_SCRATCH)
        outbox_write(o, true);
    copy = o->scratch + o->scratch_used;
    memcpy(copy, bytes.start, bytes.length);
    o->scratch_used += bytes.length;
    outbox_append(o, outlet, copy, bytes.length);
}

/* While nothing is added nothing is borrowed of what was made there before. */
struct arena *outbox_room(struct outbox *o)
{
    if (o->count == 0) {
        arena_dispose(&o->room);
        arena_init(&o->room, o->room_first, sizeof o->room_first);
    }
    return &o->room;
}

void outbox_send(struct outbox *o, struct outlet *outlet)
{
    if (o->outlet == outlet)
        outbox_write(o, false);
    outbox_send_deferred(o, outlet);
}

void outbox_defer(struct outbox *o, struct outlet *outlet)
{
    if (o->outlet == outlet)
        outbox_write(o, true);
}

void outbox_drop(struct outbox *o, struct outlet *outlet)
{
    outbox_send_deferred(o, outlet);
    if (o->outlet == outlet)
        outbox_forget(o);
}

void outbox_dispose(struct outbox *o)
{
    arena_dispose(&o->room);
}
