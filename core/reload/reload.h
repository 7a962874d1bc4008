/*
 * reload - another script in place of the running one, without losing anything.
 *
 *            asked          it is good             new backends are checked      all have it
 *   IDLE -----------> TRYING ---------> CHECKING ------------------> FOLLOWING ------------> IDLE
 *     ^                 | it is wrong                                  |    ^ some worker
 *     '-----------------'                                              '----' cannot load it
 *
 * A child reads and tries the script; what it does there, however badly, harms nobody. Then a new
 * monitor begins with it and checks the backends that are new, and then the workers are told. What
 * none but a worker finds wrong (it asks for what workers share, say) makes all of them go back to
 * the script before. To be asked meanwhile leads to one more reload after this one.
 */
#ifndef RELOAD_RELOAD_H
#define RELOAD_RELOAD_H

#include "config/command_line.h"
#include "config/config.h"
#include "os/children.h"
#include "reload/edition.h"
#include "reload/turns.h"
#include "shared/slots.h"

enum reload_state { RELOAD_IDLE, RELOAD_TRYING, RELOAD_CHECKING, RELOAD_FOLLOWING };

enum { RELOAD_MESSAGE_BYTES = 1200 };

struct reload_report { /* of the child that tries */
    bool is_good, listen_differs, workers_differ, log_differs;
    uint64_t check_ms, budget_ms; /* health.timeout, script.budget_ms */
    char message[RELOAD_MESSAGE_BYTES];
};

struct reload { /* embedded in the supervisor */
    const struct config *first;
    const struct options *options;
    struct segment *segment;
    struct children *children; /* the workers by their slots, the monitor, the child that tries */
    struct edition *edition;
    struct reload_report *report; /* shared with the child */
    struct slots slots;
    enum reload_state state;
    bool is_wanted;      /* one more */
    bool renews_monitor; /* its death was asked for, */
    uint64_t renewed_ms; /* and then */
    bool goes_back;      /* some worker cannot load it: all go by the one before again */
    uint64_t began_ms, ends_ms;
    uint64_t tried_ms;        /* so long it took to try */
    uint64_t trial_waited_ms; /* for a CPU, while it is tried */
    struct turns turns;       /* of the workers, to follow */
    uint64_t budget_ms;       /* script.budget_ms: the largest of all scripts so far */
    unsigned added, removed;
    struct buffer changed; /* names of settings */
};

/* Borrows everything. 0, or -1 and errno if the system refuses. */
int reload_init(struct reload *, const struct config *first, const struct options *,
                struct segment *, struct children *, struct spread *) MUST_USE;
void reload_dispose(struct reload *);

bool reload_is_possible(const struct reload *); /* the script is a file */
void reload_ask(struct reload *);
void reload_step(struct reload *);                           /* while lb serves; often */
uint64_t reload_next_ms(const struct reload *);              /* when to do so at the latest */
void reload_end_trial(struct reload *);                      /* lb ends */
bool reload_is_child(const struct reload *, unsigned which); /* the one that tries */
_Noreturn void reload_run_child(struct reload *);
void reload_on_tried(struct reload *, int status); /* that child has ended, as waitpid tells it */
/* A worker has ended; before what others see of it is put right. */
void reload_on_worker_ended(struct reload *, unsigned which, int status);
/* The monitor has ended: true if that was the reload's doing, and another was started. */
bool reload_on_monitor_ended(struct reload *);

#endif
