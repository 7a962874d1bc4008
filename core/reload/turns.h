/*
 * turns - the workers load another script one after the other.
 *
 * What a script does as it is loaded stops its worker. So all others serve meanwhile, and new
 * connections go to them.
 */
#ifndef RELOAD_TURNS_H
#define RELOAD_TURNS_H

#include "os/children.h"
#include "os/spread.h"
#include "reload/edition.h"
#include "shared/segment.h"

struct turns {
    struct segment *segment;
    struct children *children; /* the workers by their slots, and others */
    struct edition *edition;
    struct spread *spread;
    unsigned workers;
    unsigned given;       /* to those with lower numbers */
    uint64_t began_ms;    /* the first of them */
    uint64_t patience_ms; /* so long a worker may take, */
    uint64_t waited_ms;   /* besides the time for which it waits for a CPU, from here on */
};

/* There is another current edition: the first worker is told. */
void turns_begin(struct turns *, uint64_t patience_ms);
void turns_give_next(struct turns *);  /* and the next one, of those that are left */
void turns_end(struct turns *);        /* all are over */
pid_t turns_pid(const struct turns *); /* whose turn it is; 0: it does not run */
bool turns_are_left(const struct turns *);
bool turns_are_taken(const struct turns *); /* those who were told go by the current edition */
/* Was this worker started with the script, and had no other? */
bool turns_began_with_it(const struct turns *, unsigned which);
/* One that has not loaded it in time is killed; another takes its place. */
void turns_replace_slow(struct turns *);
uint64_t turns_longest_ms(const struct turns *); /* for which a worker served nobody */

#endif
