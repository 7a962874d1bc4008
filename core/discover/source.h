/*
 * source - where backends come from: one of the texts of the setting backends, in the monitor.
 *
 * A kind of source ("dns:", "file:") asks whom it has to ask, in the monitor's loop, and hands over
 * each answer: its whole list, or that there is none. What a list means for the backends that there
 * are is not the source's business (discover/guard.h).
 */
#ifndef DISCOVER_SOURCE_H
#define DISCOVER_SOURCE_H

#include "discover/found.h"
#include "net/loop.h"

struct config;
struct source;

struct source_kind {
    const char *prefix; /* "dns:" */
    bool tells_changes; /* it speaks when something changes only, and not in an interval */
    /* What stands behind the prefix; all are borrowed. It gives what close gets. It asks at once,
     * and hands over in a later event. Never fails: what is wrong is source_failed's. */
    void *(*open)(struct source *, struct slice text, struct loop *, const struct config *);
    void (*close)(void *own); /* it hands over nothing more */
};

/* The list, which the source may dispose of then. */
void source_publish(struct source *, const struct found_list *);
/* There is no answer, or one that is no list: why, in words. Nothing changes. */
void source_failed(struct source *, const char *why);
const char *source_name(const struct source *); /* "dns:app.internal:8080" */
struct segment *source_segment(const struct source *);
/* When it is opened: the list of a monitor before this one holds, so there is no hurry. */
bool source_has_list(const struct source *);

#endif
