/*
 * breaches - what becomes of a hook's call that went wrong: it is counted, said, and, if it is
 * one too many, the script is parked.
 *
 * One per loaded script and worker. A call that ran too long or took too much memory always
 * counts towards parking. One that raised an error or gave a wrong answer counts only while at
 * least half of this worker's calls of the last ten seconds went wrong: a script that works
 * for nearly all requests goes on working for them.
 */
#ifndef POLICY_BREACHES_H
#define POLICY_BREACHES_H

#include "config/config.h"
#include "policy/bindings.h"
#include "policy/complaints.h"
#include "policy/script.h"
#include "shared/parking.h"
#include "shared/segment.h"

enum { BREACHES_SECONDS = PARKING_WINDOW_MS / 1000 };

struct breaches {
    const char *script_name; /* for the log */
    const struct config *config;
    struct segment *segment;
    struct segment_worker *counts;
    uint64_t number;  /* the script's, for parking */
    bool never_parks; /* in the monitor */
    struct complaints complaints;
    /* Is told instead of the log; NULL: nobody. */
    void (*heard)(void *owner, enum script_hook, struct slice message);
    void *heard_owner;
    uint32_t failed; /* calls, since the script was loaded */
    struct {
        uint32_t calls, failed;
    } before[BREACHES_SECONDS]; /* the same at the end of each of the last seconds */
    unsigned second;
};

/* Borrows everything. The script is loaded now: it is parked only for what it does from here on,
 * or if others have been parked that were loaded with it. */
void breaches_init(struct breaches *, const struct config *, struct segment *, unsigned worker);
/* Of the script's last call, before script_recover. The call's facts say which request it was. */
void breaches_note(struct breaches *, struct script *, enum script_hook, enum script_breach,
                   const struct binding_call *);
/* Once a second: the window moves on, the longest stop for garbage becomes known, and that a
 * script is parked still is said now and then. */
void breaches_tick(struct breaches *, struct script *);

static inline bool breaches_are_too_many(const struct breaches *b)
{
    return __builtin_expect(parking_is_parked(b->segment, b->number), 0);
}

#endif
