/*
 * shortage - who gives way when a script's memory is nearly used up.
 *
 * Calls that await hold what they have made so far, which may be what clients have sent; all calls
 * of a VM together must not use it up for those to come. So when three quarters are in use, with no
 * garbage in it, the calls that wait and hold most are ended, one after the other: answered like
 * any call that failed, but without counting towards parking.
 */
#ifndef SCRIPT_SHORTAGE_H
#define SCRIPT_SHORTAGE_H

#include "net/loop.h"
#include "script/coroutines.h"

struct shortage {
    struct coroutines *all;
    uint64_t refused_bytes;    /* held by calls that were ended, and garbage now, */
    uint32_t refused_cycle;    /* until the collector's next one */
    int64_t collect_us;        /* that collections of all may take now */
    uint64_t collected_us;     /* when that was last reckoned */
    uint64_t longest_pause_us; /* for a collection */
    struct deferred deferred;
};

void shortage_init(struct shortage *, struct coroutines *);
void shortage_look(struct shortage *); /* after a call; the loop does the rest */
/* Do those that wait hold a good part of it, and more than this one? */
bool shortage_is_of_others(const struct shortage *, const struct coroutine *);
/* Collects all garbage. False: that has had its share of the time. */
bool shortage_collect(struct shortage *);
void shortage_note_pause(struct shortage *, uint64_t took_us); /* for a collection */
void shortage_dispose(struct shortage *);

#endif
