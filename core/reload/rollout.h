/*
 * rollout - the workers load another script one after the other.
 *
 * A worker serves nobody while it loads. So the others serve meanwhile, and new connections go to
 * them.
 */
#ifndef RELOAD_ROLLOUT_H
#define RELOAD_ROLLOUT_H

#include "os/children.h"
#include "os/spread.h"
#include "reload/edition.h"
#include "shared/segment.h"

struct rollout {
    struct segment *segment;
    struct children *children; /* the workers by their slots, and others */
    struct edition *edition;
    struct spread *spread;
    unsigned workers;
    unsigned given; /* workers with lower numbers may load it */
    uint64_t began_ms;
    uint64_t patience_ms; /* for one worker, */
    uint64_t waited_ms;   /* besides its wait for a CPU, of which this has been granted */
};

/* There is another current edition: the first worker loads it. */
void rollout_begin(struct rollout *, uint64_t patience_ms);
void rollout_give_next(struct rollout *);
void rollout_end(struct rollout *);
pid_t rollout_pid(const struct rollout *); /* of the worker whose turn it is; 0: it does not run */
bool rollout_has_next(const struct rollout *);
bool rollout_is_taken(const struct rollout *); /* by all workers whose turn came */
/* Was this worker started since, so that it has had no other script? */
bool rollout_began_with_it(const struct rollout *, unsigned which);
/* Kills a worker that has not loaded it in time; another takes its place. */
void rollout_replace_slow(struct rollout *);
uint64_t rollout_longest_ms(const struct rollout *); /* for which a worker served nobody */

#endif
