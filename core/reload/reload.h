/*
 * reload - another script in place of the running one, without losing anything.
 *
 *            asked          it is good             new backends are checked      all have it
 *   IDLE -----------> TRYING ---------> CHECKING ------------------> FOLLOWING ------------> IDLE
 *     ^                 | it is wrong                                  |    ^ some worker
 *     '-----------------'                                              '----' cannot load it
 *
 * A child reads and tries the script; whatever the script does there harms nobody. A new monitor
 * goes by it next and checks the backends that are new. Then the workers load it. If a worker
 * cannot, all go back to the script before. A reload that is asked for meanwhile follows this one.
 */
#ifndef RELOAD_RELOAD_H
#define RELOAD_RELOAD_H

#include "config/command_line.h"
#include "config/config.h"
#include "os/children.h"
#include "reload/edition.h"
#include "reload/expiry.h"
#include "reload/roll.h"
#include "reload/rollout.h"
#include "shared/slots.h"

enum reload_state { RELOAD_IDLE, RELOAD_TRYING, RELOAD_CHECKING, RELOAD_FOLLOWING };

enum { RELOAD_FIRST_LIST_MS = 5000 };

enum { RELOAD_MESSAGE_BYTES = 1200, KEPT_BYTES = 64 };

struct reload_report { /* of the child that tries the script */
    bool is_good, listen_differs, workers_differ, log_differs;
    uint64_t check_ms, budget_ms; /* health.timeout, script.budget_ms */
    uint64_t first_list_ms;       /* that its sources may take; 0: it has none */
    char message[RELOAD_MESSAGE_BYTES];
};

struct reload { /* embedded in the supervisor */
    const struct config *first;
    const struct options *options;
    struct segment *segment;
    struct children *children; /* the workers by their slots, then: */
    unsigned monitor, trial;   /* which of the children these are */
    struct edition *edition;
    struct expiry expiry;         /* of the current edition's certificates */
    struct reload_report *report; /* shared with the trial */
    struct slots slots;
    enum reload_state state;
    bool is_wanted;      /* one more */
    bool renews_monitor; /* the monitor was asked to end, */
    uint64_t renewed_ms; /* and then */
    bool goes_back;      /* some worker cannot load it: all go by the one before again */
    uint64_t began_ms, ends_ms;
    uint64_t tried_ms;         /* how long the trial took */
    uint64_t trial_granted_ms; /* of its wait for a CPU */
    struct rollout rollout;
    struct roll roll;
    uint64_t budget_ms; /* script.budget_ms: the largest of all scripts so far */
    unsigned added, removed;
    struct buffer changed; /* names of settings */
    /* Can the draft have what it needs besides? If not, *why says so, and it is refused; and all go
     * by a script, that one or the one before. */
    bool (*may_offer)(void *owner, const struct edition_text *draft, struct buffer *why);
    void (*on_settled)(void *owner);
    void *owner;
};

/* Borrows everything. 0, or -1 and errno if the system refuses. */
int reload_init(struct reload *, const struct config *first, const struct options *,
                struct segment *, struct children *, struct spread *) MUST_USE;
void reload_dispose(struct reload *);

bool reload_is_possible(const struct reload *); /* the script is a file */
void reload_ask(struct reload *);
void reload_step(struct reload *);              /* while lb serves; often */
uint64_t reload_next_ms(const struct reload *); /* when to do so at the latest */
void reload_end_trial(struct reload *);         /* lb ends */
_Noreturn void reload_run_child(struct reload *);
void reload_on_tried(struct reload *, int status); /* the trial has ended: waitpid's status */
/* A worker has ended; call it before the segment is put right. */
void reload_on_worker_ended(struct reload *, unsigned which, int status);
/* The monitor has ended: true if the reload has ended it, and has another one started. */
bool reload_on_monitor_ended(struct reload *);

/* From the start of lb to its drain: what sources have found gets its slots. */
void reload_step_roll(struct reload *);
uint64_t reload_next_roll_ms(const struct reload *);

/* The settings that differ in the script, but cannot change while lb runs. */
void reload_list_kept(const struct reload_report *, const char *between, char what[KEPT_BYTES]);

#endif
