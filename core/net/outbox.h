/*
 * outbox - what is to be written, until it goes out. One for all outlets of a loop.
 *
 * What one outlet adds in an event goes out in one system call, when the event is over or the
 * outlet sends. It is borrowed until then. A little of it is deferred instead: it is copied, and
 * goes out with that of other outlets when the loop has nothing else to do. What an outlet defers
 * in later events until then is appended: one write for all streams of an HTTP/2 connection, which
 * is shared by them.
 */
#ifndef NET_OUTBOX_H
#define NET_OUTBOX_H

#include "base/arena.h"
#include "base/slice.h"

#include <stdbool.h>
#include <uv.h>

enum {
    OUTBOX_PARTS = 32,
    OUTBOX_COPY_MAX = 32, /* bytes for outbox_add_copy */
    OUTBOX_SCRATCH = 512,
    OUTBOX_ROOM = 8192,
    OUTBOX_DEFERRED = 16,
    OUTBOX_DEFERRED_BYTES = 1024, /* in one event, of each outlet; */
    OUTBOX_SHARED_BYTES = 12288,  /* of an outlet that streams share; */
    OUTBOX_DEFERRED_ROOM = 65536, /* in all, which is what TLS seals at once */
    /* Not a multiple of 4,096, or the first bytes of all would share a few lines of the cache. */
    OUTBOX_DEFERRED_APART = OUTBOX_DEFERRED_ROOM + 1088,
};

struct outlet {                /* embedded in what writes, which is a stream; zeros at first */
    unsigned char deferred_at; /* its place among what is deferred, from 1 on; 0: none */
    /* By streams of which several may have something to say in a turn: more of it is deferred, as
     * a copy is cheaper than a write. */
    bool is_shared;
};

struct outlet_kind {
    /* May what it writes next be deferred? Not while something else of it is on its way. */
    bool (*may_defer)(const struct outlet *);
    /* May what it has deferred still go out? Else it is dropped, and its owner knows. */
    bool (*may_leave)(struct outlet *);
    void (*write)(struct outlet *, const uv_buf_t *parts, unsigned count, size_t total_bytes);
};

struct outbox {                     /* zeros at first, but for bytes */
    const struct outlet_kind *kind; /* of all outlets, which set it */
    /* What one outlet has added. */
    struct outlet *outlet;
    unsigned count;
    size_t total_bytes, scratch_used;
    uv_buf_t parts[1 + OUTBOX_PARTS]; /* the first one is for what it has deferred before */
    char scratch[OUTBOX_SCRATCH];
    struct arena room;
    char room_first[OUTBOX_ROOM];
    /* What several have deferred. NULL: it has gone out. */
    unsigned deferred_count;
    struct outlet *deferred[OUTBOX_DEFERRED];
    size_t lengths[OUTBOX_DEFERRED];
    char bytes[OUTBOX_DEFERRED][OUTBOX_DEFERRED_APART];
};

void outbox_add(struct outbox *, struct outlet *, struct slice); /* borrows until it goes out */
void outbox_add_copy(struct outbox *, struct outlet *, struct slice);
/* Memory for what is added next: it lasts until that has gone out. */
struct arena *outbox_room(struct outbox *);
void outbox_send(struct outbox *, struct outlet *);  /* what it has added and deferred, now */
void outbox_defer(struct outbox *, struct outlet *); /* what it has added, if that is a little */
/* What it has added goes nowhere, what it has deferred goes out: the outlet may go. */
void outbox_drop(struct outbox *, struct outlet *);
void outbox_send_all_deferred(struct outbox *);
void outbox_flush(struct outbox *); /* for outbox_end_event */
void outbox_dispose(struct outbox *);

static inline void outbox_end_event(struct outbox *o)
{
    if (o->count > 0)
        outbox_flush(o);
}

#endif
