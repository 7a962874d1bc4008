/*
 * pace - when the next check of one backend is due, and whether the monitor is in time for one.
 *
 * The first is due at once, so that the first request finds backends; the second at a random
 * moment, so that later ones are spread over the interval. When the connect of a request has failed
 * (shared/evidence.h) there is a row of them in between: at once, then after 50, 100 and 200 ms.
 */
#ifndef HEALTH_PACE_H
#define HEALTH_PACE_H

#include "net/deadline.h"
#include "shared/segment.h"

struct pace { /* embedded */
    /* A check begins; it ends in pace_end, or one of the other two. */
    void (*on_due)(struct pace *);
    struct loop *loop;
    struct segment *segment;
    unsigned slot;
    uint64_t interval_ms;
    struct deadline next; /* while no check is under way */
    struct deadline beat; /* while one is */
    uint64_t began_ms;    /* when the running check began, or the last one */
    unsigned ended;       /* checks, up to two */
    unsigned looks_left;  /* checks of the row that have not begun */
    bool is_in_row;       /* the running check is one of the row */
    bool was_late, was_repeated;
};

/* Borrows all. */
void pace_init(struct pace *, struct loop *, struct segment *, unsigned slot, uint64_t interval_ms,
               void (*on_due)(struct pace *));
void pace_look(struct pace *); /* begins a row, if somebody has asked for one */

/* Has the process stood still for long while the check was under way? Then that it failed says
 * nothing: what was due from us came late. */
bool pace_is_late(const struct pace *);
/* Another one at once in its place. False, and it is still under way, if it is one itself. */
bool pace_repeat(struct pace *);
void pace_end(struct pace *);
void pace_stop(struct pace *);    /* no check is due any more */
void pace_restart(struct pace *); /* it is no check any more: another one at once */

#endif
