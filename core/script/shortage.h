/*
 * shortage - who gives way when a script's memory is nearly used up.
 *
 * Calls that await hold what they have made so far, which may be what clients have sent; all of a
 * VM together must not use it up for those to come. So when three quarters are in use, with
 * no garbage in it, the calls that wait and hold most are ended, one after the other: answered for
 * like any that failed, but none that counts towards parking.
 */
#ifndef SCRIPT_SHORTAGE_H
#define SCRIPT_SHORTAGE_H

#include "net/loop.h"
#include "script/coroutines.h"

struct shortage {
    struct coroutines *all;
    bool (*collect)(struct shortage *); /* all garbage; false: there is no time for that */
    void (*end)(struct coroutine *);    /* ends a call that waits; the last thing that is done */
    uint64_t refused_bytes;             /* held by calls that were ended, and garbage now, */
    uint32_t refused_cycle;             /* until the collector's next one */
    struct deferred deferred;
};

void shortage_init(struct shortage *, struct coroutines *, bool (*collect)(struct shortage *),
                   void (*end)(struct coroutine *));
void shortage_look(struct shortage *); /* after a call; the loop does the rest */
/* Do those that wait hold a good part of it, and more than this one? */
bool shortage_is_of_others(const struct shortage *, const struct coroutine *);
void shortage_dispose(struct shortage *);

#endif
