/*
 * supervisor_inside - the supervisor's state, for the files that share its work.
 *
 * process/supervisor.c has the picture of the states.
 */
#ifndef PROCESS_SUPERVISOR_INSIDE_H
#define PROCESS_SUPERVISOR_INSIDE_H

#include "config/command_line.h"
#include "config/config.h"
#include "os/children.h"
#include "os/notify.h"
#include "os/pid_file.h"
#include "os/pulse.h"
#include "os/sockets.h"
#include "os/spread.h"
#include "process/admin_child.h"
#include "process/handover.h"
#include "process/state_file.h"
#include "reload/reload.h"
#include "reload/watch.h"
#include "shared/segment.h"

enum state {
    SUPERVISOR_CHECKING,
    SUPERVISOR_STARTING,
    SUPERVISOR_RUNNING,
    SUPERVISOR_DRAINING,
    SUPERVISOR_QUITTING,
};

struct upgrade { /* to another program: upgrade.c */
    bool is_wanted;
    unsigned trial;    /* which of the children tries the program */
    int text, answer;  /* files without a name: what it is given, and what it says; -1: none runs */
    uint64_t began_ms; /* when it was wanted */
    uint64_t ends_ms;  /* while it is tried: the latest moment for the answer */
    int asker;         /* the connection of who waits for the result; -1: nobody does */
};

enum takeover_state {
    TAKEOVER_NONE, /* there are no guests */
    TAKEOVER_WAITS,
    TAKEOVER_DONE,   /* the guests are ending */
    TAKEOVER_FAILED, /* the guests serve, and we have no workers */
};

enum guest_role {
    GUEST_WORKER,
    GUEST_MONITOR,
    GUEST_ADMIN,  /* finishes its answers */
    GUEST_SCRIBE, /* says what the others count: process/scribe.h */
    GUEST_ROLES,
};

struct guest {     /* a child of the program before */
    int channel;   /* -1: it has none */
    unsigned slot; /* in our segment; GUEST_ELSEWHERE: it has another */
    enum guest_role role;
    const _Atomic uint64_t *pulse; /* of its own segment; NULL: not known */
    uint64_t moves;                /* tls_move_format of a worker's program; 0: not known */
    uint64_t memory;               /* a scribe's: whose changes it says */
    uint64_t asked_ms, ask_at_ms;  /* when it was asked, 0: it is not; and when it is to be */
    bool is_last;                  /* it is asked for the last time */
};

struct takeover {              /* from the program before: takeover.c */
    struct handover *handover; /* NULL: nothing was left */
    enum takeover_state state;
    struct guest *guests;
    unsigned first, count; /* which of the children they are */
    uint64_t budget_ms;    /* what a hook of the guests may take */
    uint64_t checked_ms;   /* when new backends count as checked, whatever is known */
    uint64_t ends_ms;      /* when those that are there still are killed */
};

enum { GUEST_ELSEWHERE = SEGMENT_WORKERS_MAX };

struct supervisor {
    const struct config *config;
    struct segment *segment;
    int segment_fd; /* -1: it cannot be handed over */
    const struct options *options;
    struct sockets sockets;
    struct children
        children; /* workers, the monitor, reload's, upgrade's, the admin, --state, guests */
    int channels[SEGMENT_WORKERS_MAX]; /* by worker: our ends; -1: none */
    int channel;                       /* the other end of the one that is being started */
    struct pulse pulse;                /* of the workers, the monitor, the admin */
    struct spread spread;
    struct reload reload;
    struct watch watch;
    struct admin_child admin;
    int signals;
    enum state state;
    uint64_t state_ends_ms; /* the latest moment for the next state */
    bool was_ready;         /* some worker was ready once */
    struct pid_file pid_file;
    struct state_file state_file;
    struct notify notify;
    struct upgrade upgrade;
    struct takeover takeover;
    int status;
};

/* --- supervisor.c --- */

void supervisor_enter(struct supervisor *, enum state, uint64_t within_ms);

/* --- upkeep.c: a child, from its beginning to its end --- */

void supervisor_start_child(struct supervisor *, unsigned which);
void supervisor_look_after_children(struct supervisor *); /* those that stand still; often */
_Noreturn void supervisor_run_child(void *owner, unsigned which); /* for children->run */
void supervisor_on_child_died(void *owner, unsigned which, int status);
void supervisor_clear_slot(struct supervisor *, unsigned slot); /* of a worker that is gone */

/* --- upgrade.c: to another program --- */

void upgrade_init(struct upgrade *, unsigned trial);
void upgrade_ask(struct supervisor *);
void upgrade_step(struct supervisor *); /* while lb serves; often */
uint64_t upgrade_next_ms(const struct supervisor *);
bool upgrade_is_tried(const struct supervisor *);
_Noreturn void upgrade_run_trial(struct supervisor *); /* in the child */
void upgrade_on_tried(struct supervisor *, int status);
void upgrade_end_trial(struct supervisor *); /* lb ends */

/* --- asker.c: who has asked for the upgrade over the admin listener --- */

void asker_read(struct supervisor *); /* at each turn */
void asker_refuse(struct supervisor *, unsigned status, const char *why);
void asker_tell(struct supervisor *, const char *before, uint64_t ms, bool is_same_memory);
void asker_take(struct supervisor *);                      /* who has asked the program before */
void asker_forget(struct supervisor *);                    /* in a child */
void asker_fail(const struct handover *, const char *why); /* while no supervisor can begin */

/* --- takeover.c: from the program before --- */

unsigned takeover_guests(const struct supervisor *); /* how many children it has left */
int takeover_open(struct supervisor *) MUST_USE;     /* sockets and pid file: 0, or -1 */
void takeover_begin(struct supervisor *, unsigned first);
bool takeover_is_on(const struct supervisor *);       /* it waits for our workers */
bool takeover_has_checked(const struct supervisor *); /* all backends that are new */
void takeover_decide(struct supervisor *, bool are_ready);
void takeover_leave(struct supervisor *); /* in a child */
void takeover_step(struct supervisor *);  /* while lb serves */
uint64_t takeover_next_ms(const struct supervisor *);
void takeover_start_monitor(struct supervisor *); /* if there is none, and is to be one */

/* --- guests.c: the children of the program before --- */

void guests_take(struct supervisor *);
void guests_end(struct supervisor *);       /* when their clients are handed over, or have left */
void guests_end_admin(struct supervisor *); /* when it has answered */
unsigned guests_left(const struct supervisor *);
void guests_name(const struct supervisor *, struct buffer *out); /* those that are left */
bool guests_have_workers(const struct supervisor *);
/* A slot that no worker has: for what workers in another segment count. */
unsigned guests_base(const struct supervisor *);
void guests_step(struct supervisor *); /* asks scribes, and does as they say */
uint64_t guests_next_ms(const struct supervisor *);
struct slice guests_role(enum guest_role); /* as it is written for the next program */
pid_t guests_pid(const struct supervisor *, unsigned guest); /* 0: it has ended */
bool guests_is_worker(const struct supervisor *, unsigned which);
/* Of this child. False: its pulse is not known. */
bool guests_pulse(const struct supervisor *, unsigned which, uint64_t *events);
void takeover_on_guest_died(struct supervisor *, unsigned which, int status);
bool takeover_wants_workers(const struct supervisor *); /* guests do not serve in their place */
bool takeover_has_slots(const struct supervisor *);     /* for the workers of a next program */
void takeover_drain(struct supervisor *);               /* lb ends */
void takeover_add_guests(const struct supervisor *, struct buffer *out); /* for the next program */
void takeover_close(struct supervisor *); /* in a child, or at the end */

/* --- service.c --- */

void supervisor_tell(struct supervisor *); /* systemd, how lb is; at each turn */

#endif
