/*
 * health - asks every backend, again and again, whether it is well.
 *
 * A check of a backend is one probe (health/probe.h), within health.timeout; for a
 * name it begins with resolving, within the same time, and the address that passed is
 * published on the board. All backends are checked independently of each other:
 * a backend that hangs, or whose name does, delays no other. health/tally.h says what the
 * checks come to.
 *
 * A check that fails for want of something of ours (descriptors, memory, ports) or that
 * we were late for says nothing about the backend and is skipped.
 */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include "base/buffer.h"
#include "config/config.h"
#include "net/loop.h"
#include "shared/segment.h"

struct health;

/* Checks in place of a probe (health.type CONFIG_HEALTH_LUA), once the backend has an address. */
struct health_asker {
    /* Ends in health_answer, inside this call or later, unless cancel comes first: that is when
     * health.timeout has passed. The backend is a place. */
    void (*ask)(struct health_asker *, unsigned backend);
    void (*cancel)(struct health_asker *, unsigned backend);
};

struct health_events {
    /* Comes once: all that were added before health_note_all_added were checked once, which takes
     * health.timeout at most. With nobody to check it comes inside of that call. */
    void (*on_first_round)(void *owner);
    /* Nothing of it is under way any more: the backend may go, and the place be another's. */
    void (*on_removed)(void *owner, unsigned place);
};

/* Borrows everything for its life, which ends with the process's. Places are below capacity. */
struct health *health_new(struct loop *, const struct config *, struct segment *, unsigned capacity,
                          const struct health_events *, void *owner);
/* Its checks begin at once. Borrows the backend until on_removed. */
void health_add(struct health *, unsigned place, const struct config_backend *);
void health_remove(struct health *, unsigned place);
void health_note_all_added(struct health *); /* once: those that there are at the start */

/* Borrows it. Checks that were asked of another begin anew. NULL: a connect is the probe. */
void health_ask(struct health *, struct health_asker *);
/* The reason may be empty; it is copied, and cut off where it is too long for the board. */
void health_answer(struct health *, unsigned backend, bool is_up, struct slice reason);
/* Why the backend is in the state it is in, in words. */
void health_describe(const struct health *, unsigned backend, struct buffer *);

/* A connect of a request has failed somewhere, says shared/evidence.h. */
void health_look(struct health *);

/* Is a lookup under way, which may hang? At exit, libuv would wait for it. */
bool health_is_resolving(const struct health *);

#endif
