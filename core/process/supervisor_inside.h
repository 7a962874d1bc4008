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

struct supervisor {
    const struct config *config;
    struct segment *segment;
    const struct options *options;
    struct sockets sockets;
    struct children children; /* the workers by their slots, the monitor, reload's */
    struct pulse pulse;       /* of the workers and the monitor */
    struct spread spread;
    struct reload reload;
    struct watch watch;
    int signals;
    enum state state;
    uint64_t state_ends_ms; /* the latest moment for the next state */
    bool was_ready;         /* some worker was ready once */
    struct pid_file pid_file;
    struct notify notify;
    int status;
};

/* --- supervisor.c --- */

void supervisor_enter(struct supervisor *, enum state, uint64_t within_ms);

/* --- upkeep.c: a child, from its beginning to its end --- */

void supervisor_start_child(struct supervisor *, unsigned which);
void supervisor_look_after_children(struct supervisor *); /* those that stand still; often */
_Noreturn void supervisor_run_child(void *owner, unsigned which); /* for children->run */
void supervisor_on_child_died(void *owner, unsigned which, int status);

/* --- service.c --- */

void supervisor_tell(struct supervisor *); /* systemd, how lb is; at each turn */

#endif
