/*
 * breaches - what becomes of a hook's call that failed: it is counted and logged; too many of them
 * park the script for a while.
 *
 * One per loaded script and worker. What the script did counts towards parking; that something it
 * awaited came late does not. Besides that, calls that were stopped for their time are charged to
 * the client whose requests they were for: when they took more than a quarter of this worker's last
 * second, the client with most of it gets no more calls for a second (script/costs.h).
 */
#ifndef SCRIPT_BREACHES_H
#define SCRIPT_BREACHES_H

#include "config/config.h"
#include "net/loop.h"
#include "script/complaints.h"
#include "script/costs.h"
#include "script/script.h"
#include "shared/parking.h"
#include "shared/segment.h"

struct breaches {
    const char *script_name; /* for the log */
    const struct config *config;
    struct segment *segment;
    struct segment_worker *counts;
    const struct loop *loop; /* NULL: nothing is parked, as in the monitor */
    unsigned worker;
    uint64_t number; /* the script's, for parking */
    double trial;    /* calls from this number on are tried, as the script is parked; 0: none */
    struct costs costs;
    struct complaints complaints;
    /* Gets the messages in place of the log; NULL: the log has them. */
    void (*heard)(void *owner, enum hook, struct slice message);
    void *heard_owner;
};

/* Borrows everything. The script is loaded now: it is parked only for what it does from here on,
 * or if others have been parked that were loaded with it. Without a loop it never is. */
void breaches_init(struct breaches *, const struct config *, struct segment *, const struct loop *,
                   unsigned worker);
struct breaches_call { /* a call of a hook */
    struct slice id;   /* of the request that it was for; empty: for none */
    uint64_t client;   /* whose request; 0: for none */
    double number;
    struct slice wrong; /* what was wrong with the answer, for BREACH_WRONG */
};

/* Of the script's last call, before script_recover. */
void breaches_note(struct breaches *, struct script *, enum hook, enum breach,
                   const struct breaches_call *);
/* Once a second: publishes the longest stop for garbage, and logs now and then that the script is
 * still parked. */
void breaches_tick(struct breaches *, struct script *);

bool breaches_may_try(struct breaches *, uint64_t client, double number);
void breaches_end_trial(struct breaches *); /* with a good call */

/* May a call with that number begin, for that client (0: for none)? While the script is parked only
 * one call may, which tries it; not every call can be that. */
static inline bool breaches_may_call(struct breaches *b, uint64_t client, bool can_be_trial,
                                     double number)
{
    if (__builtin_expect(parking_is_parked(b->segment, b->number), 0))
        return can_be_trial && breaches_may_try(b, client, number);
    if (b->loop != NULL)
        parking_count(b->counts, client, loop_now_ms(b->loop));
    return true;
}

/* While the script is parked no other calls begin. */
static inline bool breaches_is_trial(const struct breaches *b, double number)
{
    return __builtin_expect(b->trial != 0, 0) && number >= b->trial;
}

/* A call is over, and it was a good one. */
static inline void breaches_note_good(struct breaches *b, double number)
{
    if (breaches_is_trial(b, number))
        breaches_end_trial(b);
}

/* A call that awaited was thrown away: how it would have ended is not known. */
void breaches_forget_call(struct breaches *, double number);

#endif
