/*
 * roll - what the sources of backends have found gets its slots, in the supervisor.
 *
 * That is no reload: the monitor wants a list, each new backend on it gets a slot, and the list is
 * told to all. While another script is being loaded, which may have other sources, the list has the
 * backends of both, each with whose it is.
 */
#ifndef RELOAD_ROLL_H
#define RELOAD_ROLL_H

#include "reload/edition.h"
#include "shared/roster.h"
#include "shared/slots.h"

enum roll_time {
    ROLL_USUAL,
    ROLL_LOADING, /* another script is offered: the monitor goes by it already */
    ROLL_WAITS,   /* the workers are taking it */
};

struct roll { /* embedded in the reload, which sets the first ones */
    struct segment *segment;
    struct slots *slots;
    const struct edition *edition;
    const struct config *first;
    uint64_t wanted;          /* the list that was taken last */
    uint64_t refused;         /* the edition that some worker could not load: its list is none */
    uint64_t tried, again_ms; /* which could not be taken, and when it is tried again */
    struct roster_list *list; /* as it was told; NULL: no script has had a source */
    uint64_t *identities;     /* of these */
    bool is_loading;
    bool is_of_two; /* two scripts' lists are in it */
};

void roll_begin(struct roll *); /* with what the program before has left */
void roll_dispose(struct roll *);
void roll_step(struct roll *, enum roll_time); /* often: takes what the monitor wants */
uint64_t roll_next_ms(const struct roll *, enum roll_time);
void roll_settle(struct roll *);    /* all workers go by the current script */
void roll_take_back(struct roll *); /* they go by the one before again */

/* Whose slots are in use: those of the scripts that run and are loaded, and of the list. */
void roll_mark_slots(struct roll *);
void roll_give_slots_back(struct roll *);          /* which nobody uses any more */
void roll_open_slot(struct roll *, unsigned slot); /* for a backend that is new */

#endif
